"""A table as a DuckDB relation, whose filters and columns decide which of its files are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.errors import MissingExtra
from influx_lake.iceberg.columns.known_columns import share_of, time_field
from influx_lake.sql.extensions import load_iceberg
from influx_lake.sql.table_files import serve
from influx_lake.sql.table_scan import TableScan, identifier, text

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table

_FEATURE = "a table as a DuckDB relation"


def relation(
    table: Table,
    scan: TableScan,
    columns: Sequence[str],
    between: tuple[datetime | None, datetime | None],
    time_column: str,
    connection: duckdb.DuckDBPyConnection | None,
) -> duckdb.DuckDBPyRelation:
    """Some columns and rows of a table. Nothing of its data files is read yet.

    Args:
        table: The table; its columns are called as its loads know them.
        scan: The same table, at the snapshot that is read.
        columns: The columns.
        between: The half-open interval of time.
        time_column: The column it applies to.
        connection: Where the relation belongs; None for DuckDB's default one, which `duckdb.sql` asks.

    Raises:
        MissingExtra: DuckDB or its extensions are not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra(_FEATURE, "duckdb") from error
    from pyiceberg.types import TimestamptzType

    connection = connection or duckdb.default_connection()
    load_iceberg(connection, _FEATURE)
    served = serve(connection, scan.table)
    known = {field.field_id: field.name for field in table.schema().fields}
    # By their places: DuckDB finds no two names that differ in case only.
    places = {known[field.field_id]: f"c{at}" for at, field in enumerate(scan.schema.fields) if field.field_id in known}
    listed = ", ".join(f"c{at}" for at in range(len(scan.schema.fields)))
    chosen = ", ".join(f"{places[name]} AS {identifier(name)}" for name in columns)
    is_zoned = isinstance(time_field(table, time_column).field_type, TimestamptzType)
    wanted = [
        f"{places[time_column]} {sign} {_moment(value, is_zoned=is_zoned)}"
        for sign, value in ((">=", between[0]), ("<", between[1]))
        if value is not None
    ]
    if (share := share_of(table)) is not None:
        wanted.append(f"{places[share.column]} = {text(share.value)}")
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    return connection.sql(f"SELECT {chosen} FROM {scan.sql(served)} AS t({listed}){where}")  # noqa: S608


def _moment(value: datetime, *, is_zoned: bool) -> str:
    """A moment in SQL; a time without a zone holds UTC."""
    moment = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"TIMESTAMPTZ {text(moment + '+00')}" if is_zoned else f"TIMESTAMP {text(moment)}"
