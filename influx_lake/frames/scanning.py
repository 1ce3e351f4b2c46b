"""`influx_lake.frames.scan`: opens a table by name as a Polars LazyFrame or DuckDB relation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from influx_lake.config import Lake, Measurement, load_lake
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.windows import parse_moment
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.history.snapshot_view import as_of as table_as_of
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake.live.unloaded_rows import unloaded_rows
from influx_lake.sql.lake_tables import LakeTable, LakeTables
from influx_lake.sql.table_scan import Moment, TableScan

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    from pyiceberg.table import Table

Time = datetime | date | str
"""A moment: of a date its midnight, in UTC where no zone is given."""
Live = bool | Literal["prefer"]
"""Whether a frame includes the source's newest points; `prefer`: where the source answers."""
_ENGINES = ("polars", "duckdb")
_LIVE = (False, True, "prefer")


@overload
def scan(
    name: str,
    start: Time | None = None,
    end: Time | None = None,
    *,
    columns: Sequence[str] | None = None,
    lake: Lake | Path | str | None = None,
    as_of: Moment | None = None,
    live: Live = False,
    engine: Literal["polars"] = "polars",
) -> pl.LazyFrame: ...


@overload
def scan(
    name: str,
    start: Time | None = None,
    end: Time | None = None,
    *,
    columns: Sequence[str] | None = None,
    lake: Lake | Path | str | None = None,
    as_of: Moment | None = None,
    live: Live = False,
    engine: Literal["duckdb"],
    connection: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyRelation: ...


def scan(
    name: str,
    start: Time | None = None,
    end: Time | None = None,
    *,
    columns: Sequence[str] | None = None,
    lake: Lake | Path | str | None = None,
    as_of: Moment | None = None,
    live: Live = False,
    engine: Literal["polars", "duckdb"] = "polars",
    connection: duckdb.DuckDBPyConnection | None = None,
) -> pl.LazyFrame | duckdb.DuckDBPyRelation:
    """A table of the lake, to be narrowed further: no more is read of its files than is asked for in the end.

    Columns have their names in lake.yaml, also where other tools renamed them in the table. For a shared table, a
    measurement's name gives only its own rows. Of two columns whose names differ in case only, DuckDB calls the second
    `name_1`.

    Args:
        name: A measurement, or the table of one, of a roll-up or a quarantine; with its namespace or without.
        start: Not before this time.
        end: Before this time.
        columns: Only these columns.
        lake: The lake, or its lake.yaml. Default: `$INFLUX_LAKE_CONFIG`, else `./lake.yaml`.
        as_of: As readers got the table at this time; or a tag, a branch, or a snapshot's id. A text is a time if it
            can be one. Columns that came later are left out.
        live: Beside what the lake holds, what the source has of the time that neither a load nor a tail brought, as a
            load would make it; each point once. Without a start, of the newest window that has closed and of the open
            one: what is older and not in the lake is told as a warning. The source is asked for columns now, and for
            rows when the frame is. `prefer`: the lake alone, with a warning, where the source does not answer.
        engine: `polars` for a LazyFrame, `duckdb` for a relation.
        connection: Where the relation belongs. Default: DuckDB's own, which `duckdb.sql` asks.

    Raises:
        MissingExtra: Polars, or DuckDB with its extensions, is not installed.
        ConfigurationError: The lake.yaml has mistakes, nothing is called so or several tables are, an argument is none
            of those above, or the table had no snapshot then.
        CatalogError: The table cannot be loaded, or there is none yet; or it has equality deletes, which only DuckDB
            reads.
        SourceError: The source of a measurement that is wanted live does not answer.
    """
    if live not in _LIVE:
        raise ConfigurationError(f"live={live!r} is none of its values", remedy="It is True, False or 'prefer'")
    if live and as_of is not None:
        raise ConfigurationError("live asks for what is new, and as_of for what was", remedy="Leave out one of them")
    if engine not in _ENGINES:
        raise ConfigurationError(f"there is no engine {engine!r}", remedy=f"It is one of {', '.join(_ENGINES)}")
    between = (_moment(start), _moment(end))
    lake = lake if isinstance(lake, Lake) else load_lake(None if lake is None else Path(lake))
    found = LakeTables(lake).find(name)
    catalog = open_catalog(lake.catalog.name, lake.catalog.properties(), lake.catalog.lock_timeout)
    measurement = _measurement(lake, found) if live else None
    table = find_table(catalog, found.identifier, found.share)
    newest = None
    if measurement is not None:
        newest = unloaded_rows(lake, measurement, table, between, lenient=live == "prefer")
    if table is None and newest is None:
        table = open_table(catalog, found.identifier, found.share)
    at = TableScan.of(table, _as_of(as_of)) if table is not None else None
    if table is not None and at is not None and at.snapshot is not None:
        table = as_known(table_as_of(table, at.snapshot), share=found.share)
    existing = _existing_columns(table, at) if table is not None and at is not None else []
    if newest is not None:
        existing += [name for name in newest.rows.schema.names if name not in existing]
    chosen = _columns(found.full_name, existing, columns)
    if engine == "duckdb":
        from influx_lake.frames.duckdb_scan import relation

        return relation(table, at, chosen, between, found.time_column, connection, newest)
    from influx_lake.frames.polars_scan import lazy_frame, united_frame

    if newest is not None:
        return united_frame(table, between, found.time_column, chosen, newest)
    assert table is not None
    times = None if between == (None, None) else [between]
    return lazy_frame(table, times, found.time_column).select(chosen)


def _measurement(lake: Lake, table: LakeTable) -> Measurement | None:
    """The measurement whose rows a table holds; None for a roll-up or quarantine.

    Raises:
        ConfigurationError: The table holds those of several.
    """
    found = table.measurements(lake)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigurationError(
            f"{table.full_name} holds the rows of several measurements: {names}", remedy="Name one of them"
        )
    return found[0] if found else None


def _existing_columns(table: Table, at: TableScan) -> list[str]:
    """The names of the columns that a table has or had."""
    had = {field.field_id for field in at.schema.fields}
    return [field.name for field in table.schema().fields if field.field_id in had]


def _columns(name: str, existing: list[str], requested: Sequence[str] | None) -> list[str]:
    """The requested columns, checked against those of the table.

    Raises:
        ConfigurationError: One does not exist or is requested twice, or none is left.
    """
    if isinstance(requested, str):
        raise ConfigurationError(
            f"columns={requested!r} is no list of columns", remedy=f"Write columns=[{requested!r}]"
        )
    if requested is not None and not requested:
        raise ConfigurationError("columns=[] asks for no column", remedy="Name at least one, or leave it out for all")
    for column in requested or ():
        if column not in existing:
            raise ConfigurationError(
                f"{name} has no column {column}{suggestion(column, existing)}",
                remedy=f"It has: {', '.join(existing)}",
            )
    if requested is None:
        return existing
    if twice := [name for name, times in Counter(requested).items() if times > 1]:
        raise ConfigurationError(f"the column {twice[0]} is asked for twice", remedy="Name each column once")
    return list(requested)


def _moment(value: Time | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return parse_moment(value)
        except ValueError:
            raise _no_time(value) from None
    # Times of pandas are datetimes with nanoseconds besides.
    if not isinstance(value, date) or getattr(value, "nanosecond", None):
        raise _no_time(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _no_time(value: object) -> ConfigurationError:
    message = f"{value!r} is no date or time, to the microsecond at most"
    return ConfigurationError(message, remedy="Write 2026-01-31T06:00Z")


def _as_of(value: Moment | None) -> Moment | None:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, str):
        try:
            return parse_moment(value)
        except ValueError:
            return value
    return value
