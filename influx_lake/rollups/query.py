"""The SQL that computes a roll-up. Columns have numbers as names in it, since DuckDB ignores case."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.measurements.rollups import Aggregate, Percentile
from influx_lake.config.values.buckets import BucketRun
from influx_lake.rollups.columns import ComputedColumn, RollupColumns

TIME_INPUT, ORDER_INPUT = "t", "o"


def input_names(columns: RollupColumns) -> dict[str, str]:
    """The name in the SQL of each column of the measurement's table, other than time."""
    return {name: f"c{number}" for number, name in enumerate(columns.inputs)}


def bucket_sql(runs: Sequence[BucketRun]) -> str:
    """The start of a time's bucket, in microseconds since 1970."""
    starts = [f"{run.start_us} + ({TIME_INPUT} - {run.start_us}) // {run.step_us} * {run.step_us}" for run in runs]
    cases = [f"WHEN {TIME_INPUT} < {after.start_us} THEN {sql}" for after, sql in zip(runs[1:], starts, strict=False)]
    return f"CASE {' '.join(cases)} ELSE {starts[-1]} END" if cases else starts[-1]


class RollupQuery:
    """The SQL of a roll-up.

    Args:
        columns: The roll-up's columns.
        runs: Its buckets.
    """

    def __init__(self, columns: RollupColumns, runs: Sequence[BucketRun]) -> None:
        self._columns = columns
        self._inputs = input_names(columns)
        self._bucket = bucket_sql(runs)
        self._by = [self._inputs[column.name] for column in columns.by]
        self._group = f"hash({', '.join(['b', *self._by])})"

    @staticmethod
    def kept(rows: str, table: str) -> str:
        """The statement that copies input rows into a table."""
        return f"CREATE TABLE {table} AS SELECT * FROM {rows}"

    def groups(self, rows: str) -> str:
        """The query of the approximate number of groups."""
        return f"SELECT approx_count_distinct({self._group}) FROM ({self._with_bucket(rows)})"

    def largest_group(self, rows: str) -> str:
        """The query of the row count of the largest group."""
        return f"SELECT max(n) FROM (SELECT count(*) AS n FROM ({self._with_bucket(rows)}) GROUP BY {self._group})"

    def result(self, rows: str, part: tuple[int, int] | None = None) -> str:
        """The query of the roll-up's rows.

        Args:
            rows: The relation of input rows.
            part: Which part of the groups, of how many; None: all.
        """
        computed = [_sql(self._inputs[each.source], each) for each in self._columns.computed]
        found = ", ".join(["make_timestamp(b)", *self._by, *computed])
        only = f" WHERE {self._group} % {part[1]} = {part[0]}" if part else ""
        keys = ", ".join(["b", *self._by])
        return f"SELECT {found} FROM ({self._with_bucket(rows)}){only} GROUP BY {keys} ORDER BY {keys}"

    def _with_bucket(self, rows: str) -> str:
        return f"SELECT *, {self._bucket} AS b FROM {rows}"


def input_schema(columns: RollupColumns, table: pa.Schema) -> pa.Schema:
    """The schema of the input."""
    named = [pa.field(number, table.field(name).type) for name, number in input_names(columns).items()]
    return pa.schema([(TIME_INPUT, pa.int64()), (ORDER_INPUT, pa.int64()), *named])


def as_input(batch: pa.RecordBatch, columns: RollupColumns, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of the measurement's table, as input."""
    time = batch.column(columns.time).cast(pa.int64())
    # Rows older than the column of nanoseconds are null there.
    order = time if columns.order == columns.time else pc.coalesce(batch.column(columns.order), pc.multiply(time, 1000))
    named = [batch.column(name) for name in columns.inputs]
    return pa.RecordBatch.from_arrays([time, order, *named], schema=schema)


def _sql(column: str, computed: ComputedColumn) -> str:
    function, kind = computed.function, computed.input_type
    number = f"{column}::DOUBLE" if pa.types.is_floating(kind) else column
    if isinstance(function, Percentile):
        return f"quantile_cont({column}::DOUBLE, {function.percent / 100!r})"
    # For values at the same time, `first` is the smallest and `last` the largest, so that results are deterministic.
    moment = f"row({ORDER_INPUT}, {column})"
    return {
        Aggregate.MEAN: f"avg({number})",
        Aggregate.MIN: f"min({column})",
        Aggregate.MAX: f"max({column})",
        Aggregate.COUNT: f"count({column})",
        Aggregate.SUM: f"sum({number})::BIGINT" if pa.types.is_integer(kind) else f"sum({number})",
        Aggregate.FIRST: f"arg_min({column}, {moment})",
        Aggregate.LAST: f"arg_max({column}, {moment})",
    }[function]
