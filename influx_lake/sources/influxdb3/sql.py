"""The SQL that is sent to InfluxDB 3. Names are quoted by `identifier`, strings by `literal`, times formatted by
`moment`.
"""

# ruff: noqa: S608 - a statement over Flight has no parameters for names, and none for times

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.sources.influxdb3.time_bins import bins_of
from influx_lake.sql_quoting import identifier, text_literal

# The time literals that InfluxDB 3 Core accepts; a point may be up to 0.9 s before the first, or 3 ns after the last.
EARLIEST_NS = -9_223_372_036 * 10**9  # 1677-09-21T00:12:44
LATEST_NS = 2**63 - 4  # 2262-04-11T23:47:16.854775804

SERVER = 'SELECT 1 AS "one"'


@dataclass(frozen=True, slots=True)
class SystemQuery:
    """A query for the database's schema.

    Attributes:
        columns: The columns of its result, all of them strings.
        statement: The statement.
        before_3_3: The statement for a server before `system.influxdb_schema`.
    """

    columns: tuple[str, ...]
    statement: str
    before_3_3: str


MEASUREMENTS = SystemQuery(
    ("measurement",),
    'SELECT DISTINCT "measurement" FROM system.influxdb_schema',
    'SELECT "table_name" AS "measurement" FROM information_schema.tables WHERE "table_schema" = \'iox\'',
)


def columns(measurement: str) -> SystemQuery:
    """The columns of a measurement with their types: names of `ColumnType` or `tag`; before 3.3, DataFusion's names."""
    name = text_literal(measurement)
    return SystemQuery(
        ("key", "data_type"),
        f'SELECT "key", "data_type" FROM system.influxdb_schema WHERE "measurement" = {name}',
        'SELECT "column_name" AS "key", "data_type" FROM information_schema.columns '
        f'WHERE "table_schema" = \'iox\' AND "table_name" = {name}',
    )


def rows(measurement: str, names: Iterable[str], window: Window, condition: str | None = None) -> str:
    """The window's rows, unordered: sorting would make the server hold all of them.

    Args:
        measurement: The measurement.
        names: The columns.
        window: The window.
        condition: The condition on rows, as an expression.
    """
    selected = ", ".join(identifier(name) for name in names)
    return f"SELECT {selected} FROM {identifier(measurement)}{_where(window, condition)}"


def row_count(measurement: str, window: Window) -> str:
    return f'SELECT count(*) AS "rows" FROM {identifier(measurement)}{_where(window)}'


def first_time(measurement: str) -> str:
    return f'SELECT min({identifier(TIME)}) AS "first" FROM {identifier(measurement)}'


def grouped(
    measurement: str, windows: Sequence[Window], aggregates: Mapping[str, str], condition: str | None = None
) -> str:
    """Aggregates of each window's rows, by the window's start; windows without rows are left out.

    Args:
        measurement: The measurement.
        windows: The windows, oldest first, not overlapping.
        aggregates: Expressions by the names of their columns.
        condition: The condition on rows, as an expression.
    """
    selected = ", ".join(f"{expression} AS {identifier(name)}" for name, expression in aggregates.items())
    where = _where(Window(windows[0].start, windows[-1].end), condition)
    return (
        f'SELECT {_bin(windows)} AS "bin", {selected} FROM {identifier(measurement)}{where} '
        # By position: a name would refer to a column of the table.
        "GROUP BY 1"
    )


def _bin(windows: Sequence[Window]) -> str:
    """The start of a row's window; NULL between windows."""
    branches, before = [], None
    for bins in bins_of(windows):
        if before is not None and before < bins.start_us:
            branches.append(f"WHEN {identifier(TIME)} < {moment(bins.start_us * 1000)} THEN NULL")
        width, origin = f"INTERVAL '{bins.width_us * 1000} nanoseconds'", moment(bins.start_us * 1000)
        binned = f"date_bin({width}, {identifier(TIME)}, {origin})"
        branches.append(f"WHEN {identifier(TIME)} < {moment(bins.end_us * 1000)} THEN {binned}")
        before = bins.end_us
    return f"CASE {' '.join(branches)} END"


def parquet_path(measurement: str) -> str:
    """One of the persisted files; the table's name has to be a literal."""
    return f'SELECT "path" FROM system.parquet_files WHERE "table_name" = {text_literal(measurement)} LIMIT 1'


def parquet_files(measurement: str) -> str:
    """The persisted files of a measurement; the table's name has to be a literal."""
    return (
        'SELECT "size_bytes", "row_count", "min_time", "max_time" FROM system.parquet_files '
        f'WHERE "table_name" = {text_literal(measurement)}'
    )


QUERIES = 'SELECT count(*) AS "queries", min("issue_time") AS "first" FROM system.queries'
"""The number of queries in the server's log, and the time of the first."""


def moment(nanoseconds: int) -> str:
    """A time with nanoseconds, clamped to the range of InfluxDB: queries with other times fail while they run."""
    seconds, fraction = divmod(min(max(nanoseconds, EARLIEST_NS), LATEST_NS), 10**9)
    whole = (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"TIMESTAMP '{whole}.{fraction:09d}Z'"


def _where(window: Window, condition: str | None = None) -> str:
    """The conditions. A clamped bound would exclude points at the ends of the range, so such bounds are omitted."""
    time, start, end = identifier(TIME), window.start_us * 1000, window.end_us * 1000
    if start > LATEST_NS or end <= EARLIEST_NS:
        return " WHERE false"
    parts = [f"{time} >= {moment(start)}"] if start >= EARLIEST_NS else []
    parts += [f"{time} < {moment(end)}"] if end <= LATEST_NS else []
    parts += [f"({condition})"] if condition is not None else []
    return f" WHERE {' AND '.join(parts)}" if parts else ""
