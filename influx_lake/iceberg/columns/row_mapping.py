"""Maps columns of rows to columns of their table: decided once per window, then applied to every batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Nanoseconds, TimeType, Unsigned, column_name
from influx_lake.config.tables.format_versions import time_holds_nanoseconds
from influx_lake.config.values.source_schema import MADE_OF, MISFIT
from influx_lake.errors import DataRefused, SchemaConflict
from influx_lake.iceberg.columns import timestamps
from influx_lake.iceberg.columns.exact_cast import check_cast, exact_cast, plain
from influx_lake.iceberg.columns.schema import UINT64_DIGITS, arrow_type, doc_of, with_doc
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

Convert = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True, slots=True)
class ShapedColumn:
    """A column of the table, and how its values are made.

    Attributes:
        name: Its name in the table.
        source: The column of the rows that it is made of.
        type: Its Arrow type, which determines its Iceberg type.
        convert: Converts the values; raises `DataRefused` where one cannot be held exactly. None: not converted.
        doc: Its doc in the table's schema.
        made_of: The measurement's columns that the rows' column was made of; None: the one of the same name.
    """

    name: str
    source: str
    type: pa.DataType
    convert: Convert | None = None
    doc: str | None = None
    made_of: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A column of the rows that their table has no column for.

    Attributes:
        column: Its name in the rows.
        reason: Why.
        refused: Whether a value in it fails the window, since there is no quarantine.
    """

    column: str
    reason: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of a window are mapped to their table.

    Attributes:
        columns: The columns that the rows fill.
        time_column: The column that places rows in a window, never null.
        misfits: Columns that are left out; `apply` must not get rows with a value in one.
    """

    columns: tuple[ShapedColumn, ...]
    time_column: str
    misfits: tuple[Misfit, ...] = ()
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        fields = [
            with_doc(pa.field(column.name, column.type, column.name != self.time_column), column.doc)
            for column in self.columns
        ]
        object.__setattr__(self, "schema", pa.schema(fields))

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """The columns of the measurement, or of the rows, that each column of the table is made of."""
        return {column.name: (column.source,) if column.made_of is None else column.made_of for column in self.columns}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert a batch to the table's columns; what need not change is not copied.

        Raises:
            DataRefused: A value cannot be held exactly.
        """
        values = [_made(column, batch.column(column.source)) for column in self.columns]
        return pa.RecordBatch.from_arrays(values, schema=self.schema)


def shape_of(columns: pa.Schema, target: TableTarget, existing: Schema | None = None) -> Shape:
    """Decide how rows are mapped to a table.

    Args:
        columns: The Arrow schema of the rows.
        target: The table, and its options for types and names.
        existing: The table's schema, where it exists.

    Raises:
        DataRefused: The options refuse the type of a column, or the rows have no time column.
        SchemaConflict: Two columns would have the same name.
    """
    if target.time_column not in columns.names:
        raise DataRefused(
            f"the rows have no column {target.time_column!r}, which places them in a window; they have "
            f"{', '.join(columns.names)}",
            remedy="Name the time column in the asset's metadata: time_column",
        )
    misfits = tuple(Misfit(each.name, reason) for each in columns if (reason := _metadata(each, MISFIT)) is not None)
    columns = pa.schema([each for each in columns if _metadata(each, MISFIT) is None])
    _check_unsigned(columns, target)
    keeps = _keeps_nanoseconds(target, existing)
    shaped = [_named(_with_metadata(_shaped(column, target, keeps=keeps), column), target) for column in columns]
    _check_names(shaped, target)
    _check_names_in_files([column.name for column in shaped], existing, target)
    _check_nanoseconds_column(shaped, target)
    if keeps:
        shaped.append(_nanoseconds(target))
    shaped = [replace(column, doc=target.docs.get(column.name, column.doc)) for column in shaped]
    return Shape(tuple(shaped), target.time_column, misfits)


def _with_metadata(column: ShapedColumn, field: pa.Field) -> ShapedColumn:
    """Add the doc and the origin that the metadata of the rows' field have."""
    made_of = _metadata(field, MADE_OF)
    return replace(column, doc=doc_of(field), made_of=None if made_of is None else tuple(json.loads(made_of)))


def _metadata(field: pa.Field, name: str) -> str | None:
    found = (field.metadata or {}).get(name.encode())
    return None if found is None else found.decode()


def _made(column: ShapedColumn, values: pa.Array) -> pa.Array:
    return values if column.convert is None else column.convert(values)


def _named(column: ShapedColumn, target: TableTarget) -> ShapedColumn:
    if column.source == target.time_column:
        return column
    name = column_name(column.source, target.types.column_names)
    return column if name == column.source else replace(column, name=name, doc=f"{column.source!r} in the source")


def _nanoseconds(target: TableTarget) -> ShapedColumn:
    time = target.time_column
    whole = partial(timestamps.epoch_nanoseconds, time)
    doc = f"The whole {time}, in nanoseconds since 1970"
    return ShapedColumn(target.types.nanoseconds_column, time, pa.int64(), whole, doc)


def _shaped(column: pa.Field, target: TableTarget, *, keeps: bool) -> ShapedColumn:
    asked = target.types.types.get(column.name)
    if asked is not None:
        return _cast(column, arrow_type(asked))
    if pa.types.is_timestamp(column.type):
        return _time(column, target, keeps=keeps)
    if pa.types.is_uint64(column.type):
        return _unsigned(column, target)
    return ShapedColumn(column.name, column.name, column.type)


def _cast(column: pa.Field, kind: pa.DataType) -> ShapedColumn:
    check_cast(column.name, column.type, kind)
    if plain(column.type) == kind:
        return ShapedColumn(column.name, column.name, column.type)
    return ShapedColumn(column.name, column.name, kind, partial(exact_cast, column.name, kind=kind))


def _time(column: pa.Field, target: TableTarget, *, keeps: bool) -> ShapedColumn:
    options, places_rows = target.types, column.name == target.time_column
    zoned = options.time_type is TimeType.TIMESTAMPTZ if places_rows else column.type.tz
    kind = pa.timestamp("us", "UTC" if zoned else None)
    if places_rows and time_holds_nanoseconds(options.nanoseconds, target.properties):
        whole = pa.timestamp("ns", kind.tz)
        return ShapedColumn(column.name, column.name, whole, partial(timestamps.whole, column.name, kind=whole))
    if options.nanoseconds is Nanoseconds.TRUNCATE or (places_rows and keeps):
        convert = partial(timestamps.floored, column.name, kind=kind)
    elif places_rows and options.nanoseconds is Nanoseconds.KEEP:
        convert = partial(timestamps.exact_so_far, column.name, kind=kind, beside=options.nanoseconds_column)
    else:
        convert = partial(timestamps.exact, column.name, kind=kind)
    return ShapedColumn(column.name, column.name, kind, convert)


def _unsigned(column: pa.Field, target: TableTarget) -> ShapedColumn:
    if target.types.unsigned is Unsigned.LONG:
        return ShapedColumn(column.name, column.name, pa.int64(), partial(_to_long, column.name))
    kind = pa.decimal128(UINT64_DIGITS, 0)
    return ShapedColumn(column.name, column.name, kind, lambda values: values.cast(kind))


def _to_long(name: str, values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise DataRefused(
            f"column {name!r} holds an unsigned integer that a long cannot hold: {error}",
            remedy="Set unsigned: decimal for this measurement, and give it another table where this one has a long",
        ) from None


def _keeps_nanoseconds(target: TableTarget, existing: Schema | None) -> bool:
    """Whether the rows fill the column for nanoseconds: once a table has it, all rows do."""
    if target.types.nanoseconds is not Nanoseconds.KEEP:
        return False
    if time_holds_nanoseconds(target.types.nanoseconds, target.properties):
        return False
    return target.with_nanoseconds or (
        existing is not None and target.types.nanoseconds_column in {column.name for column in existing.fields}
    )


def _check_unsigned(columns: pa.Schema, target: TableTarget) -> None:
    unsigned = [
        column.name for column in columns if pa.types.is_uint64(column.type) and column.name not in target.types.types
    ]
    if unsigned and target.types.unsigned is Unsigned.REFUSE:
        raise DataRefused(
            f"these columns for {target.name} are unsigned integers, which no Iceberg integer holds: "
            f"{', '.join(unsigned)}",
            remedy="Set unsigned: decimal (all of them fit) or long (the run stops where one does not)",
        )


def _check_names(shaped: list[ShapedColumn], target: TableTarget) -> None:
    by_name: dict[str, str] = {}
    for column in shaped:
        other = by_name.setdefault(column.name, column.source)
        if other != column.source:
            raise SchemaConflict(
                f"the columns {other!r} and {column.source!r} of the source would both be {column.name!r} in "
                f"{target.name}",
                remedy=f"Set column_names: keep, or another style than {target.types.column_names}",
            )


def _check_names_in_files(names: list[str], existing: Schema | None, target: TableTarget) -> None:
    """Refuse names that would be equal in data files, where pyiceberg 0.12 replaces characters that Avro forbids."""
    from pyiceberg.schema import make_compatible_name

    there = [column.name for column in existing.fields] if existing is not None else []
    by_name: dict[str, str] = {}
    for name in dict.fromkeys((*there, *names)):
        other = by_name.setdefault(make_compatible_name(name), name)
        if other != name:
            raise SchemaConflict(
                f"the columns {other!r} and {name!r} of {target.name} would both be {make_compatible_name(name)!r} in "
                "its files",
                remedy="Set column_names: snake, or give one of them another name where the points come from",
            )


def _check_nanoseconds_column(shaped: list[ShapedColumn], target: TableTarget) -> None:
    name = target.types.nanoseconds_column
    clash = next(((column.made_of or (column.source,))[0] for column in shaped if column.name == name), None)
    if clash is not None and target.types.nanoseconds is Nanoseconds.KEEP:
        raise SchemaConflict(
            f"the source has a column {clash!r}, and {name!r} is the column of {target.name} in which nanoseconds are "
            "kept",
            remedy="Give nanoseconds_column another name, or set nanoseconds: truncate or refuse",
        )
