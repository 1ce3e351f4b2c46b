"""Answers a SQL statement from the lake's tables, in a DuckDB that can do no more than read them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Lake
from influx_lake.errors import ConfigurationError, EngineError, LakeError, MissingExtra, StorageError
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.failures.store import store_error
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake.live.rows import LiveRows
from influx_lake.live.unloaded_rows import UnloadedRows, unloaded_rows
from influx_lake.sql.arrow_types import exact, is_lossy
from influx_lake.sql.extensions import load_iceberg
from influx_lake.sql.interruptible import Run, interruptible
from influx_lake.sql.lake_tables import LakeTable, LakeTables
from influx_lake.sql.statement import Statement, TableName, parse, told
from influx_lake.sql.table_scan import Moment, TableScan
from influx_lake.sql.views import Viewed, make_views
from influx_lake.sql_quoting import identifier, text_literal

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

BATCH_ROWS = 65_536
_OF_FILE = re.compile(r"IO Error|HTTP Error|\n\nAt:\n")
"""Matches the messages of file errors, which DuckDB gives with Python's traceback."""
PLAN = ["explain_key", "explain_value"]
"""The columns of EXPLAIN's result."""
_NO_PLAN = '{"result":"error"}'
_FEATURE = "SQL on the lake"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class Answer:
    """The streaming result of a statement, to be read once.

    Args:
        reader: The result's batches.
        run: Runs the reading in an interruptible thread.

    Attributes:
        schema: The result's schema; names may repeat.
    """

    def __init__(self, reader: pa.RecordBatchReader, run: Run) -> None:
        self.schema: pa.Schema = reader.schema
        self._reader = reader
        self._run = run

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._run(self._next)) is not None:
            yield batch

    def _next(self) -> pa.RecordBatch | None:
        try:
            return _checked(self._reader.read_next_batch())
        except StopIteration:
            return None
        except (pa.ArrowException, OSError, RuntimeError) as error:
            # Errors of a stream have only DuckDB's text.
            raise _failure(error) from None


@contextmanager
def answered(
    sql: str, lake: Lake, catalog: Catalog, as_of: Moment | None = None, live: LiveTime | None = None
) -> Iterator[Answer]:
    """A context that runs a statement over the lake's tables and gives its result batch by batch.

    Args:
        sql: The statement, which must only read.
        lake: The lake.
        catalog: Its catalog.
        as_of: The time, tag, branch or snapshot to read; None: the current snapshots.
        live: Includes rows that sources have beyond the tables; None: the tables alone.

    Raises:
        MissingExtra: DuckDB or its extensions are not installed.
        ConfigurationError: The statement is invalid, does more than read, or reads something other than the lake's
            tables.
        CatalogError: A table cannot be loaded.
        StorageError: A data file cannot be read (also while the result is read).
        EngineError: DuckDB cannot compute the result (likewise).
        SourceError: A source does not answer (likewise).
    """
    if live is not None and as_of is not None:
        raise ConfigurationError("live asks for what is new, and as-of for what was", remedy="Leave out one of them")
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra(_FEATURE, "duckdb") from error
    with (
        tempfile.TemporaryDirectory(prefix="influx-lake-sql-", ignore_cleanup_errors=True) as folder,
        duckdb.connect(":memory:", config={**_SETTINGS, "temp_directory": folder}) as connection,
        interruptible(connection) as run,
    ):
        load_iceberg(connection, _FEATURE)
        tables = LakeTables(lake)
        statement = parse(sql, connection)
        views = _views(tables, statement, catalog, as_of, live)
        newest = [each.rows for view in views.values() for each in view.unloaded]
        with _told_by_sources(newest):
            with _errors(tables):
                _open(connection, views)
                reader = run(lambda: _rows(connection, statement.text))
            yield Answer(reader, run)


@dataclass(frozen=True, slots=True)
class LiveTime:
    """Options for including rows that sources have beyond the tables.

    Attributes:
        since: The earliest time to query from sources; None: the start of the newest closed window.
        lenient: Whether a source that does not answer is a warning rather than an error.
    """

    since: datetime | None = None
    lenient: bool = False

    def unloaded(self, lake: Lake, table: LakeTable, loaded: Table | None) -> tuple[UnloadedRows, ...]:
        """The rows that the sources of a table's measurements have beyond it; errors as of `unloaded_rows`."""
        found = []
        for each in table.measurements(lake):
            known = None if loaded is None else as_known(loaded, share=each.share)
            newest = unloaded_rows(lake, each, known, (self.since, None), lenient=self.lenient)
            found += [newest] if newest is not None else []
        return tuple(found)


def _views(
    tables: LakeTables, statement: Statement, catalog: Catalog, as_of: Moment | None, live: LiveTime | None
) -> dict[TableName, Viewed]:
    found: dict[TableName, Viewed] = {}
    for name, table in tables.asked(statement).items():
        is_named = any(each.table.lower() == name.table.lower() for each in statement.tables)
        loaded = find_table(catalog, table.identifier)
        newest = live.unloaded(tables.lake, table, loaded) if is_named and live else ()
        if loaded is None and is_named and table.is_of_lake and not newest:
            loaded = open_table(catalog, table.identifier)
        if loaded is None and not newest:
            continue
        try:
            found[name] = Viewed(table, TableScan.of(loaded, as_of) if loaded is not None else None, newest)
        except ConfigurationError:
            if is_named:
                raise
    return found


@contextmanager
def _told_by_sources(newest: Sequence[LiveRows]) -> Iterator[None]:
    """Raise the errors of sources themselves: DuckDB passes on only their text."""
    try:
        yield
    except LakeError as error:
        failure = next((failure for each in newest for failure in each.failures), None)
        if failure is None:
            raise
        raise failure from error


def _open(connection: duckdb.DuckDBPyConnection, views: Mapping[TableName, Viewed]) -> None:
    """Create the views, then disable everything else on the connection."""
    folders = make_views(connection, views)
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_directories = [{', '.join(map(text_literal, sorted(folders)))}]")
    connection.execute("SET enable_external_access = false")
    if schemas := list(dict.fromkeys(name.schema for name in views if name.schema)):
        path = ",".join(map(identifier, ("main", *schemas)))
        connection.execute(f"SET search_path = {text_literal(path)}")
    connection.execute("SET lock_configuration = true")


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    if batch.schema.names == PLAN and any("".join(each.split()) == _NO_PLAN for each in batch.column(1).to_pylist()):
        raise EngineError("DuckDB could not write this plan as JSON", remedy="Explain it without FORMAT JSON")
    return batch


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    found = connection.execute(sql)
    if any(is_lossy(column[1]) for column in found.description):
        return exact(connection.sql(sql)).to_arrow_reader(BATCH_ROWS)
    return found.to_arrow_reader(BATCH_ROWS)


@contextmanager
def _errors(tables: LakeTables) -> Iterator[None]:
    """A context that converts DuckDB's errors to this project's, by their cause."""
    import duckdb

    try:
        yield
    except LakeError:
        raise
    except duckdb.PermissionException as error:
        raise ConfigurationError(
            f"only tables of the lake can be read: {told(error)}",
            remedy="Name a table of this lake, or use DuckDB itself for other files",
        ) from None
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException) as error:
        known = ", ".join(sorted(each.full_name for each in tables.all))
        raise ConfigurationError(f"the SQL is wrong: {told(error)}", remedy=f"The lake's tables: {known}") from None
    except duckdb.Error as error:
        raise _failure(error) from None
    except OSError as error:
        raise _file_failure(error) from None


def _failure(error: Exception) -> LakeError:
    if _OF_FILE.search(str(error)):
        return _file_failure(error)
    return EngineError(f"DuckDB cannot answer: {told(error)}")


def _file_failure(error: Exception) -> StorageError:
    text = told(error)
    known = store_error(OSError(text), "read a file of the lake")
    kind = type(known) if isinstance(known, StorageError) else StorageError
    return kind(f"a file of the lake cannot be read: {text}", remedy=known.remedy if known is not None else None)
