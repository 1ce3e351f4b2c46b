"""Converts rows of a measurement to a long table: a row for each value, with its field and the tags of its point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.shared_tables import (
    BOOLEAN,
    INTEGER,
    MEASUREMENT,
    METRIC,
    TAGS,
    TEXT,
    VALUE,
    LongOptions,
)
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.errors import ConfigurationError, DataRefused
from influx_lake.transforms.columns import TAGS_TYPE, arrow_field

_NAMES = pa.dictionary(pa.int32(), pa.string())
_EXACT = 2**53
"""Up to this one, every integer is exact as a double."""
_TYPES = {VALUE: pa.float64(), INTEGER: pa.int64(), BOOLEAN: pa.bool_(), TEXT: pa.string()}


@dataclass(frozen=True, slots=True)
class Value:
    """A column whose values become rows.

    Attributes:
        column: The column.
        metric: The value of `metric_name`: the name of the field.
        into: The column that gets the values.
    """

    column: Column
    metric: str
    into: str


@dataclass(frozen=True, slots=True)
class LongTable:
    """The conversion of a measurement's rows to a long table.

    Nulls make no rows. The rows of a batch are ordered by field, in the order of the columns.

    Attributes:
        measurement: The measurement's name.
        options: The options of the layout.
        time: The time column.
        tags: The tag columns.
        values: The columns whose values become rows.
        kept: The columns that stay columns: constants and metadata columns.
        left_out: The fields that are left out: strings, without `texts`.
    """

    measurement: str
    options: LongOptions
    time: Column
    tags: tuple[Column, ...]
    values: tuple[Value, ...]
    kept: tuple[Column, ...]
    left_out: tuple[str, ...]

    @property
    def wide(self) -> MeasurementSchema:
        """The columns of the wide rows."""
        columns = (self.time, *self.tags, *(value.column for value in self.values), *self.kept)
        return MeasurementSchema(self.measurement, columns)

    @property
    def schema(self) -> MeasurementSchema:
        """The columns of the table."""
        sources = {into: self._sources(into) for into in _TYPES}
        tags = tuple(dict.fromkeys(name for tag in self.tags for name in tag.sources))
        every = tuple(dict.fromkeys(name for names in sources.values() for name in names))
        values = {
            VALUE: Column(VALUE, Role.FIELD, ColumnType.FLOAT, made_of=sources[VALUE], doc="The value"),
            INTEGER: Column(INTEGER, Role.FIELD, ColumnType.INTEGER, made_of=sources[INTEGER], doc="The integer"),
            BOOLEAN: Column(BOOLEAN, Role.FIELD, ColumnType.BOOLEAN, made_of=sources[BOOLEAN], doc="The boolean"),
            TEXT: Column(TEXT, Role.FIELD, ColumnType.STRING, made_of=sources[TEXT], doc="The text"),
        }
        columns = (
            self.time,
            Column(MEASUREMENT, Role.TAG, ColumnType.STRING, made_of=(), doc="The measurement"),
            Column(TAGS, Role.TAG, ColumnType.MAP, made_of=tags, doc="The tags that the point has, and their values"),
            Column(METRIC, Role.TAG, ColumnType.STRING, made_of=every, doc="The field"),
            *(values[name] for name in self.options.columns if name in values),
            *self.kept,
        )
        return MeasurementSchema(self.measurement, columns)

    def layout(self, rows: pa.Schema) -> pa.Schema:
        """The schema of the rows that `apply` returns.

        Args:
            rows: The schema of its input.
        """
        kinds = {name: rows.field(name).type for name in (self.time.name, *(column.name for column in self.kept))}
        kinds |= {MEASUREMENT: _NAMES, METRIC: _NAMES}
        fields = [arrow_field(column) for column in self.schema.columns]
        return pa.schema([field.with_type(kinds.get(field.name, field.type)) for field in fields])

    def apply(self, batch: pa.RecordBatch, layout: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows for the values of a batch, a batch for each field.

        Raises:
            DataRefused: No column can hold an integer exactly: it is not exact as a double, or exceeds a long.
        """
        whole = {TAGS: _maps(batch, [column.name for column in sorted(self.tags, key=lambda column: column.name)])}
        whole |= {name: batch.column(name) for name in (self.time.name, *(column.name for column in self.kept))}
        for value in self.values:
            values = batch.column(value.column.name)
            if pa.types.is_dictionary(values.type):
                values = values.dictionary_decode()
            if values.null_count == len(values):
                continue
            present = whole
            if values.null_count:
                places = pa.array(np.flatnonzero(np.asarray(values.is_valid())))
                present = {name: column.take(places) for name, column in whole.items()}
                values = values.drop_null()
            present = {
                **present,
                MEASUREMENT: _repeated(self.measurement, len(values)),
                METRIC: _repeated(value.metric, len(values)),
                value.into: _converted(values, value),
            }
            columns = [
                present[each.name] if each.name in present else pa.nulls(len(values), each.type) for each in layout
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=layout)

    def _sources(self, into: str) -> tuple[str, ...]:
        found = (name for value in self.values if value.into == into for name in value.column.sources)
        return tuple(dict.fromkeys(found))


def long_table(
    measurement: str, options: LongOptions, columns: Sequence[Column], beside: Sequence[Column], table: str
) -> LongTable:
    """Resolve the conversion to a long table.

    Args:
        measurement: The measurement's name.
        options: The options of the layout.
        columns: The columns of the wide rows.
        beside: Those of them that are constants or metadata columns.
        table: The table, for messages.

    Raises:
        ConfigurationError: The table has no column for a field, or for any field, or two columns of one name.
    """
    aside = {column.name for column in beside}
    values: list[Value] = []
    left_out: list[str] = []
    for column in columns:
        if column.role is not Role.FIELD or column.name in aside:
            continue
        into = _into(column, options, measurement)
        if into is None:
            left_out.append(column.name)
        else:
            values.append(Value(column, column.variant_of or column.name, into))
    if not values:
        texts = f": its fields are strings ({', '.join(left_out)})" if left_out else ""
        raise ConfigurationError(
            f"no field of the measurement has a place in the long table {table}{texts}",
            remedy="Set layout: {long: {texts: true}}, or give it a wide table of its own",
            measurement=measurement,
        )
    kept = [column for column in beside if column.name != MEASUREMENT]
    time = next(column for column in columns if column.role is Role.TIME)
    for column in (time, *kept):
        if column.name in options.columns:
            raise ConfigurationError(
                f"{column.name!r} is a column of the long layout, and a constant or metadata column of {table}",
                remedy="Give the constant or metadata column another name",
                measurement=measurement,
            )
    tags = tuple(column for column in columns if column.role is Role.TAG)
    return LongTable(measurement, options, time, tags, tuple(values), tuple(kept), tuple(left_out))


def _into(column: Column, options: LongOptions, measurement: str) -> str | None:
    """The column for the values of a field; None where it is left out."""
    match column.type:
        case ColumnType.FLOAT:
            return VALUE
        case ColumnType.INTEGER | ColumnType.UINTEGER:
            return INTEGER if options.integers else VALUE
        case ColumnType.BOOLEAN:
            return BOOLEAN if options.booleans else VALUE
        case ColumnType.STRING:
            return TEXT if options.texts else None
        case _:
            raise ConfigurationError(
                f"the long layout has no column for {column.name!r}, which is a {column.type}",
                remedy="Leave it out (`fields: {exclude: [...]}`), or remove it from `types`",
                measurement=measurement,
            )


def _converted(values: pa.Array, value: Value) -> pa.Array:
    """Non-null values in the type of their column."""
    if value.into == INTEGER:
        return _as_long(values, value.column.name)
    if value.into == VALUE:
        return _as_double(values, value.column.name)
    return values.cast(_TYPES[value.into])


def _as_double(values: pa.Array, name: str) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values.cast(pa.uint8()).cast(pa.float64())
    if not pa.types.is_integer(values.type):
        return values.cast(pa.float64())
    whole = np.asarray(values)
    doubles = whole.astype(np.float64)
    large = whole > _EXACT if whole.dtype.kind == "u" else (whole > _EXACT) | (whole < -_EXACT)
    if large.any():
        beyond = 2.0**64 if whole.dtype.kind == "u" else 2.0**63
        back = np.where(doubles < beyond, doubles, 0.0).astype(whole.dtype)
        unequal = np.flatnonzero(large & ((doubles >= beyond) | (back != whole)))
        if len(unequal):
            raise DataRefused(
                f"the field {name!r} holds {whole[unequal[0]]}, an integer that is not exact as a double",
                remedy="Load integers into a column of their own: layout: {long: {integers: true}}",
            )
    return pa.array(doubles)


def _as_long(values: pa.Array, name: str) -> pa.Array:
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        raise DataRefused(
            f"the field {name!r} holds {pc.max(values).as_py()}, an unsigned integer that exceeds a long",
            remedy="Leave the field out (`fields: {exclude: [...]}`), or give the measurement a wide table",
        ) from None


def _repeated(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))


def _maps(batch: pa.RecordBatch, tags: Sequence[str]) -> pa.Array:
    """The tags of each row, as maps."""
    encoded = [_encoded(batch.column(name)) for name in tags]
    present = np.column_stack([np.asarray(each.is_valid()) for each in encoded]) if tags else _none(batch, bool)
    begins = np.cumsum([0, *(len(each.dictionary) for each in encoded)])[:-1]
    places = [np.asarray(each.indices.fill_null(0)) + begin for each, begin in zip(encoded, begins, strict=True)]
    values = pa.concat_arrays([each.dictionary for each in encoded]) if tags else pa.array([], pa.string())
    items = values.take(pa.array((np.column_stack(places) if tags else _none(batch, np.int64))[present]))
    names = np.broadcast_to(np.arange(len(tags)), present.shape)[present]
    keys = pa.array(tags, pa.string()).take(pa.array(names))
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, items, type=TAGS_TYPE)


def _none(batch: pa.RecordBatch, kind: type) -> np.ndarray:
    return np.empty((len(batch), 0), kind)


def _encoded(values: pa.Array) -> pa.DictionaryArray:
    encoded = values if pa.types.is_dictionary(values.type) else values.cast(pa.string()).dictionary_encode()
    dictionary = encoded.dictionary
    if dictionary.null_count:
        return _encoded(encoded.dictionary_decode())
    if dictionary.type == pa.string():
        return encoded
    return pa.DictionaryArray.from_arrays(encoded.indices, dictionary.cast(pa.string()))
