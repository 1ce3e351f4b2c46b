"""Builds the layout that converts rows of a measurement's table back to points, undoing casts, maps and names.

The table records which columns are tags, which ones loads wrote, and their types. Transforms are undone as lake.yaml
defines them; where one cannot be undone, nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Measurement, Nanoseconds, OnTypeConflict, Unsigned
from influx_lake.config.tables.shared_tables import BOOLEAN, INTEGER, MEASUREMENT, METRIC, TAGS, TEXT, VALUE
from influx_lake.config.values.source_schema import ColumnType
from influx_lake.errors import ConfigurationError, DataRefused, GuardError
from influx_lake.iceberg.columns.known_columns import actual, remembered
from influx_lake.iceberg.columns.schema import UINT64_DIGITS, iceberg_type
from influx_lake.iceberg.scan.reader import arrow_schema
from influx_lake.iceberg.table_state import table_state
from influx_lake.restore.rows.layout import LongLayout, Part, PointLayout, Times, Undo, WideLayout
from influx_lake.restore.rows.names import AS_STORED, DeclaredColumns, SourceNames, unshared
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.transforms.casts import Cast
from influx_lake.transforms.column_naming import option_for

if TYPE_CHECKING:
    from pyiceberg.table import Table

_LONG = (VALUE, INTEGER, BOOLEAN, TEXT)


def point_layout(
    table: Table, measurement: Measurement, declared: DeclaredColumns, *, as_stored: bool = False
) -> PointLayout:
    """Build the layout that converts rows of a measurement's table to points.

    Args:
        table: The table as of the snapshot, with the column names that loads use.
        measurement: The measurement.
        declared: The columns of its source, where the table does not tell them.
        as_stored: Whether the table's values are written as they are, without undoing transforms.

    Raises:
        ConfigurationError: A transform cannot be undone.
        GuardError: The table does not record which columns are tags.
    """
    names = SourceNames(measurement, declared, as_stored)
    columns = arrow_schema(table.schema())
    times, left_out = _times(columns, measurement), dict(_left_out(table, columns, measurement))
    if not as_stored:
        _check_reversible(measurement)
    if measurement.layout is not None:
        return _long(columns, names, times, left_out)
    tags = table_state(table).tags
    if tags is None:
        raise GuardError(
            f"{measurement.table_name} does not tell which of its columns are tags: no load of influx-lake recorded it",
            remedy=f"Load a window of it (influx-lake replicate {measurement.key}), or adopt the table",
        )
    parts = [each for each in columns if each.name not in (*times.columns, *left_out)]
    of_tags = tuple(_tag(each, names) for each in parts if each.name in tags)
    called = () if as_stored or not declared.shares_names else [each.name for each in of_tags]
    of_fields = tuple(_field(each, columns, names, called) for each in parts if each.name not in tags)
    texts = tuple(each.name for each in columns if pa.types.is_string(each.type) and each.name not in left_out)
    return WideLayout(times, of_tags, of_fields, left_out, texts)


def remarks(measurement: Measurement) -> Iterator[str]:
    """What the source's points had and the table never got, in words."""
    options = measurement.transforms
    if options.fields.chooses:
        yield "fields that `fields` leaves out are not in the lake: points come without them"
    if measurement.wanted_rows is not None:
        yield "points that `where` leaves out, or that were erased, are not in the lake"
    if measurement.types.nanoseconds is Nanoseconds.TRUNCATE:
        yield "times are those of the lake, which `nanoseconds: truncate` cut to microseconds"
    if measurement.layout is not None and not measurement.layout.texts:
        yield "fields of text are not in the lake's long table, unless it has `texts: true`"


def _times(columns: pa.Schema, measurement: Measurement) -> Times:
    whole = measurement.types.nanoseconds_column
    keeps = measurement.types.nanoseconds is Nanoseconds.KEEP
    return Times(measurement.time_column, whole if keeps and whole in columns.names else None)


def _left_out(table: Table, columns: pa.Schema, measurement: Measurement) -> Iterator[tuple[str, str]]:
    """The columns that are not part of points, with the reasons."""
    options, known = measurement.transforms, remembered(actual(table))
    for name in columns.names:
        if name in options.constants:
            yield name, "constant"
        elif name in options.computed:
            yield name, "computed"
        elif any(name in (each, options.rename.get(each)) for each in options.metadata_columns):
            yield name, "metadata of loads"
        elif measurement.share is not None and name == measurement.share.column:
            yield name, "the measurement's name"
        elif known is not None and name not in known:
            yield name, "no load has filled it"


def _check_reversible(measurement: Measurement) -> None:
    options = measurement.transforms
    if options.map:
        raise ConfigurationError(
            f"`map` of {measurement.key} put values in the place of others ({', '.join(options.map)}): which ones "
            "there were cannot be told",
            remedy=AS_STORED,
        )
    if options.tags.chooses:
        raise ConfigurationError(
            f"`tags` of {measurement.key} left tags out, which told points apart: they cannot be told",
            remedy=AS_STORED,
        )


def _tag(column: pa.Field, names: SourceNames) -> Part:
    undo = None if pa.types.is_string(column.type) else _undo(column, "", names)
    return Part(column.name, names.of_tag(column.name), undo)


def _field(column: pa.Field, columns: pa.Schema, names: SourceNames, tags: Collection[str]) -> Part:
    source = names.of_field(_variant_of(column, columns, names.measurement) or column.name)
    return Part(column.name, unshared(source, tags), _undo(column, source, names))


def _variant_of(column: pa.Field, columns: pa.Schema, measurement: Measurement) -> str | None:
    """The field whose values of another type a column holds (`on_type_conflict: new_column`)."""
    first, separator, word = column.name.rpartition("__")
    beside = measurement.types.on_type_conflict is OnTypeConflict.NEW_COLUMN
    if not separator or not beside or first not in columns.names:
        return None
    return first if str(iceberg_type(column.type)).partition("(")[0] == word else None


def _undo(column: pa.Field, source: str, names: SourceNames) -> Undo | None:
    """The conversion from a column's values to those that the field had in InfluxDB."""
    measurement, kind, name = names.measurement, column.type, column.name
    if names.as_stored:
        return _as_stored(kind)
    cast_type = option_for(source, name, measurement.types.types, set[str]())
    if cast_type is not None:
        why = f"which type the field {source!r} had before `types` made it {cast_type} is not kept in the table"
        return _uncast(name, cast_type, names.declared.column(source, why).type)
    if pa.types.is_int64(kind) and measurement.types.unsigned is Unsigned.LONG:
        why = f"whether the field {source!r} was unsigned before `unsigned: long` is not kept in the table"
        return _to(name, ARROW_TYPES[names.declared.column(source, why).type])
    if pa.types.is_decimal(kind) and (kind.precision, kind.scale) == (UINT64_DIGITS, 0):
        return _to(name, pa.uint64())
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or kind in (pa.int64(), pa.float64()):
        return None
    raise ConfigurationError(
        f"the column {name!r} of {measurement.table_name} is a {iceberg_type(kind)}, which loads make of no field "
        "without `types`",
        remedy=AS_STORED,
    )


def _as_stored(kind: pa.DataType) -> Undo | None:
    """Values in the types of line protocol: whole decimals as unsigned integers; times, dates and other decimals as
    strings.
    """
    if pa.types.is_decimal(kind) and (kind.precision, kind.scale) == (UINT64_DIGITS, 0):
        return lambda values: values.cast(pa.uint64())
    if pa.types.is_int32(kind):
        return lambda values: values.cast(pa.int64())
    if pa.types.is_float32(kind):
        return lambda values: values.cast(pa.float64())
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or kind in (pa.int64(), pa.float64()):
        return None
    return lambda values: values.cast(pa.string())


def _to(name: str, kind: pa.DataType) -> Undo:
    def undo(values: pa.Array) -> pa.Array:
        try:
            return values.cast(kind)
        except pa.ArrowInvalid as error:
            raise DataRefused(f"column {name!r} holds a value that cannot have been {kind}: {error}") from None

    return undo


def _uncast(name: str, cast_type: str, kind: ColumnType) -> Undo:
    """Undo a cast, and check it: the result, cast again, has to be the same."""
    cast, source = Cast(name, cast_type), ARROW_TYPES[kind]
    made = cast.type_of(source)
    if kind is ColumnType.STRING and not pa.types.is_string(made):
        raise ConfigurationError(
            f"the field {name!r} was text before `types` made it {cast_type}: how it was written cannot be told",
            remedy=AS_STORED,
        )

    def undo(values: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        back = _to(name, source)(values)
        again, _ = cast.apply(back)
        if not _bits(again.cast(values.type)).equals(_bits(values)):
            raise DataRefused(
                f"column {name!r} holds values that cannot have been {kind} before `types` made them {cast_type}",
                remedy=AS_STORED,
            )
        return back

    return undo


def _bits(values: pa.Array) -> pa.Array:
    """Floats as integers, so that NaN equals itself."""
    if pa.types.is_float32(values.type):
        return values.view(pa.int32())
    return values.view(pa.int64()) if pa.types.is_float64(values.type) else values


def _long(columns: pa.Schema, names: SourceNames, times: Times, left_out: dict[str, str]) -> LongLayout:
    own = {*times.columns, MEASUREMENT, TAGS, METRIC, *_LONG}
    beside = {name: "no part of points" for name in columns.names if name not in (*own, *left_out)}
    left_out = {name: why for name, why in {**left_out, **beside}.items() if name not in own}

    def undo(field: str, column: str, values: pa.Array) -> pa.Array:
        kind = values.type
        if column in (VALUE, INTEGER) and not names.as_stored:
            why = f"which type the field {field!r} had is not kept in a long table"
            declared = names.declared.column(field, why).type
            if declared is ColumnType.BOOLEAN:
                return pc.equal(values, 1.0)
            kind = ARROW_TYPES[declared]
        return _to(column, kind)(values)

    held = tuple(name for name in _LONG if name in columns.names)
    shares = names.declared.shares_names and not names.as_stored
    return LongLayout(times, held, names.of_tag, names.of_field, undo, shares, left_out)
