"""A table as a lazy DuckDB relation: filters and columns are pushed down to its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from influx_lake.errors import MissingExtra
from influx_lake.iceberg.columns.known_columns import is_zoned_time, share_of
from influx_lake.live.open_time import Between
from influx_lake.sql.extensions import load_iceberg
from influx_lake.sql.table_files import serve
from influx_lake.sql.table_scan import TableScan, moment
from influx_lake.sql_quoting import identifier, text_literal

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table

    from influx_lake.live.unloaded_rows import UnloadedRows

_FEATURE = "a table as a DuckDB relation"


def relation(
    table: Table | None,
    scan: TableScan | None,
    columns: Sequence[str],
    between: Between,
    time_column: str,
    connection: duckdb.DuckDBPyConnection | None,
    live: UnloadedRows | None = None,
) -> duckdb.DuckDBPyRelation:
    """The lazy relation of some columns and rows of a table.

    Args:
        table: The table, with the column names that loads use. None where there is none yet.
        scan: The same table as of the snapshot to read.
        columns: The columns.
        between: The half-open time interval.
        time_column: The name of the time column.
        connection: The connection of the relation; None for DuckDB's default one, which `duckdb.sql` uses.
        live: The source's rows beyond the table.

    Raises:
        MissingExtra: DuckDB or its extensions are not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra(_FEATURE, "duckdb") from error

    connection = connection or duckdb.default_connection()
    load_iceberg(connection, _FEATURE)
    parts = []
    if table is not None and scan is not None:
        parts.append(_table_rows(connection, table, scan, columns, between, time_column, live))
    if live is not None:
        parts.append(_source_rows(connection, live, columns, between, time_column))
    return parts[0].union(parts[1]) if len(parts) > 1 else parts[0]


def _table_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    scan: TableScan,
    columns: Sequence[str],
    between: Between,
    time_column: str,
    live: UnloadedRows | None,
) -> duckdb.DuckDBPyRelation:
    """The table's rows, without those that a load would replace by the source's."""
    served = serve(connection, scan.table)
    known = {field.field_id: field.name for field in table.schema().fields}
    # By position: DuckDB cannot distinguish names that differ in case only.
    places = {known[field.field_id]: f"c{at}" for at, field in enumerate(scan.schema.fields) if field.field_id in known}
    listed = ", ".join(f"c{at}" for at in range(len(scan.schema.fields)))
    # The union includes columns that only the source has.
    chosen = ", ".join(f"{places.get(name, 'NULL')} AS {identifier(name)}" for name in columns)
    is_zoned, time = is_zoned_time(table, time_column), places[time_column]
    wanted = [_within(time, between, is_zoned=is_zoned)] if between != (None, None) else []
    if (share := share_of(table)) is not None:
        wanted.append(f"{places[share.column]} = {text_literal(share.value)}")
    hidden = live.hidden if live is not None else ()
    wanted += [f"NOT ({_within(time, (each.start, each.end), is_zoned=is_zoned)})" for each in hidden]
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    return connection.sql(f"SELECT {chosen} FROM {scan.sql(served)} AS t({listed}){where}")  # noqa: S608


def _source_rows(
    connection: duckdb.DuckDBPyConnection,
    live: UnloadedRows,
    columns: Sequence[str],
    between: Between,
    time_column: str,
) -> duckdb.DuckDBPyRelation:
    """The source's rows."""
    schema = live.rows.schema
    places = {name: f"c{at}" for at, name in enumerate(schema.names)}
    rows = connection.from_arrow(live.rows.named(list(places.values())))
    if between != (None, None):
        is_zoned = schema.field(time_column).type.tz is not None
        rows = rows.filter(_within(places[time_column], between, is_zoned=is_zoned))
    return rows.project(", ".join(f"{places[name]} AS {identifier(name)}" for name in columns))


def _within(time: str, between: Between, *, is_zoned: bool) -> str:
    bounds = ((">=", between[0]), ("<", between[1]))
    return " AND ".join(
        f"{time} {sign} {moment(value, is_zoned=is_zoned)}" for sign, value in bounds if value is not None
    )
