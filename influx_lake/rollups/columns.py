"""The columns of a roll-up: group-by columns, and aggregates of the measurement's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from influx_lake.config.measurements.rollups import Aggregate, Function, Percentile, Rollup
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.source_schema import TIME
from influx_lake.errors import ConfigurationError, SchemaConflict
from influx_lake.iceberg.columns.schema import with_doc

_WORDS = {
    Aggregate.MEAN: "Mean of",
    Aggregate.MIN: "Smallest value of",
    Aggregate.MAX: "Largest value of",
    Aggregate.COUNT: "Number of values of",
    Aggregate.SUM: "Sum of",
    Aggregate.FIRST: "First value of",
    Aggregate.LAST: "Last value of",
}
_WIDEST_DECIMAL = 38


@dataclass(frozen=True, slots=True)
class ComputedColumn:
    """An aggregate column.

    Attributes:
        source: The column of the measurement's table.
        input_type: Its type.
        function: The aggregate function.
    """

    source: str
    input_type: pa.DataType
    function: Function

    @property
    def name(self) -> str:
        """`usage_idle_p99_9`: a dot would be read as a path by other engines."""
        return f"{self.source}_{str(self.function).replace('.', '_')}"

    @property
    def type(self) -> pa.DataType:
        """The type that holds every result exactly; means and percentiles are doubles."""
        if self.function is Aggregate.MEAN or isinstance(self.function, Percentile):
            return pa.float64()
        if self.function is Aggregate.COUNT:
            return pa.int64()
        return _type_of_sums(self.input_type) if self.function is Aggregate.SUM else self.input_type

    @property
    def doc(self) -> str:
        """The column's Iceberg doc."""
        if isinstance(self.function, Percentile):
            return f"{self.function.percent:g}th percentile of {self.source}"
        return f"{_WORDS[self.function]} {self.source}"


@dataclass(frozen=True, slots=True)
class RollupColumns:
    """The columns of a roll-up, for the measurement's table as it is now.

    Attributes:
        by: The group-by columns, with their types.
        computed: The aggregate columns.
        order: The column that orders values for `first` and `last`.
        time: The name of the time column, in both tables.
        time_doc: The time column's Iceberg doc.
    """

    by: tuple[pa.Field, ...]
    computed: tuple[ComputedColumn, ...]
    order: str
    time: str
    time_doc: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the measurement's table that it reads, other than time."""
        return tuple(dict.fromkeys((*(column.name for column in self.by), *(each.source for each in self.computed))))

    @property
    def schema(self) -> pa.Schema:
        """The schema of its table; time is a timestamp without zone, in UTC."""
        time = with_doc(pa.field(self.time, pa.timestamp("us")), self.time_doc)
        computed = (with_doc(pa.field(each.name, each.type), each.doc) for each in self.computed)
        return pa.schema([time, *self.by, *computed])

    @property
    def lineage(self) -> dict[str, tuple[str, ...]]:
        """For each column, the columns of the measurement's table that it is computed from."""
        by = {column.name: (column.name,) for column in self.by}
        computed = {each.name: _sources(each, self.time) for each in self.computed}
        return {self.time: (self.time,)} | by | computed


def rollup_columns(
    rollup: Rollup, table: str, columns: pa.Schema, tags: tuple[str, ...] | None, nanoseconds: str, time: str = TIME
) -> RollupColumns:
    """Resolve the columns of a roll-up.

    Args:
        rollup: The roll-up.
        table: The name of the measurement's table, for messages.
        columns: The columns of that table.
        tags: Its tag columns; None where the table does not record them.
        nanoseconds: The name of the column of nanoseconds, which breaks ties of time where the table has it.
        time: The name of the time column.

    Raises:
        ConfigurationError: A column does not exist, or two columns of the roll-up would have the same name.
        SchemaConflict: A function does not apply to the type of its column.
    """
    if tags is None and rollup.by is None:
        raise ConfigurationError(
            f"{table} does not record which of its columns are tags: an older version loaded it",
            remedy=f"Load one of its windows again, or set `by` in the roll-up {rollup.name}",
        )
    by = (tags or ()) if rollup.by is None else rollup.by
    _check_columns(rollup, table, columns, (*by, *rollup.fields))
    apart = {time, nanoseconds, *by, *(tags or ())}
    computed = tuple(
        ComputedColumn(column.name, column.type, function)
        for column in columns
        for function in _functions(rollup, column, apart)
    )
    _check_types(rollup, table, computed)
    found = RollupColumns(
        by=tuple(columns.field(name) for name in by),
        computed=computed,
        order=nanoseconds if nanoseconds in columns.names else time,
        time=time,
        time_doc=f"Start of the bucket ({rollup.bucket})",
    )
    _check_names(rollup, table, found.schema.names)
    return found


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is numeric."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _functions(rollup: Rollup, column: pa.Field, apart: set[str]) -> Sequence[Function]:
    if column.name in rollup.fields:
        return rollup.fields[column.name]
    return rollup.functions if is_number(column.type) and column.name not in apart else ()


def _type_of_sums(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        return pa.decimal128(_WIDEST_DECIMAL, kind.scale)
    return pa.float64() if pa.types.is_floating(kind) else pa.int64()


def _sources(column: ComputedColumn, time: str) -> tuple[str, ...]:
    by_time = column.function in (Aggregate.FIRST, Aggregate.LAST)
    return (column.source, time) if by_time else (column.source,)


def _check_columns(rollup: Rollup, table: str, columns: pa.Schema, named: Sequence[str]) -> None:
    missing = [name for name in named if name not in columns.names]
    if missing:
        guesses = ", ".join(f"{name}{suggestion(name, columns.names)}" for name in missing)
        raise ConfigurationError(
            f"{table} has no column {guesses}, which the roll-up {rollup.name} names",
            remedy=f"Its columns are {', '.join(columns.names)}",
        )


def _check_types(rollup: Rollup, table: str, computed: Sequence[ComputedColumn]) -> None:
    wrong = list(_without_numbers(computed))
    if wrong:
        raise SchemaConflict(
            f"the roll-up {rollup.name} of {table} has functions of numbers for other columns: {'; '.join(wrong)}",
            remedy="Use count, min, max, first or last for them, which take values of any type",
        )


def _without_numbers(computed: Sequence[ComputedColumn]) -> Iterator[str]:
    for each in computed:
        of_numbers = isinstance(each.function, Percentile) or each.function in (Aggregate.MEAN, Aggregate.SUM)
        if of_numbers and not is_number(each.input_type):
            yield f"{each.function} needs numbers, and {each.source} is a {each.input_type}"


def _check_names(rollup: Rollup, table: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"the roll-up {rollup.name} of {table} would have two columns {', '.join(twice)}",
            remedy="Name the fields and functions in `fields`, without the one whose name another column has",
        )
