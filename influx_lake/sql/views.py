"""Creates views of the lake's tables in a DuckDB connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config import Lake
from influx_lake.iceberg.columns.known_columns import as_known, share_of
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake.live.unloaded_rows import UnloadedRows
from influx_lake.sql.extensions import load_iceberg
from influx_lake.sql.lake_tables import LakeTable, LakeTables
from influx_lake.sql.live_parts import live_parts
from influx_lake.sql.statement import TableName
from influx_lake.sql.table_files import serve
from influx_lake.sql.table_scan import TableScan
from influx_lake.sql_quoting import identifier, text_literal

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Viewed:
    """What a view shows.

    Attributes:
        table: The table, or a measurement's share of it.
        scan: The snapshot to read; None where there is no table yet.
        unloaded: The rows that sources have beyond it.
    """

    table: LakeTable
    scan: TableScan | None
    unloaded: tuple[UnloadedRows, ...] = ()


def make_views(
    connection: duckdb.DuckDBPyConnection, views: Mapping[TableName, Viewed], database: str | None = None
) -> set[str]:
    """Create a view of each table, in the schema of its namespace.

    Args:
        connection: The connection, with the Iceberg extension loaded.
        views: What the views show, by name.
        database: The attached database to create them in; None for the connection's own.

    Returns:
        The folders that hold the tables' files, as DuckDB names them.
    """
    folders: set[str] = set()
    for name, shown in views.items():
        parts = []
        if shown.scan is not None:
            served = serve(connection, shown.scan.table)
            folders |= served.folders
            condition = _only_share(shown.table, shown.scan)
            parts.append(f"FROM {shown.scan.sql(served)}{condition}")
        if shown.unloaded:
            parts = live_parts(connection, shown.table.time_column, shown.scan, parts, shown.unloaded)
        schema = ".".join(map(identifier, filter(None, (database, name.schema or "main"))))
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        view = f"{schema}.{identifier(name.table)}"
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL '.join(parts)}")
    return folders


def attach_lake(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    catalog: Catalog,
    database: str = "lake",
    names: Iterable[str] | None = None,
) -> None:
    """Attach the lake's tables to a connection as views of their current snapshots: `lake.telemetry.cpu`.

    Args:
        connection: The connection.
        lake: The lake.
        catalog: Its catalog.
        database: The name of the in-memory database with the views.
        names: The tables, all of which must exist; None: every table that exists.

    Raises:
        MissingExtra: DuckDB's extensions are not installed.
        ConfigurationError: No table has such a name.
        CatalogError: A table cannot be loaded, or is not there.
    """
    tables = LakeTables(lake)
    load_iceberg(connection, "the lake in DuckDB")
    if names is not None:
        wanted = [tables.find(name) for name in names]
        loaded = [(each, open_table(catalog, each.identifier)) for each in wanted]
    else:
        found = [(each, find_table(catalog, each.identifier)) for each in tables.all]
        loaded = [(each, table) for each, table in found if table is not None]
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {identifier(database)}")
    views = {TableName(each.schema, each.name): Viewed(each, TableScan.of(table)) for each, table in loaded}
    make_views(connection, views, database)


def _only_share(table: LakeTable, scan: TableScan) -> str:
    known = as_known(scan.table, share=table.share)
    if table.share is None or (share := share_of(known)) is None:
        return ""
    number = next((each.field_id for each in known.schema().fields if each.name == share.column), None)
    column = next((each.name for each in scan.schema.fields if each.field_id == number), share.column)
    return f" WHERE {identifier(column)} = {text_literal(share.value)}"
