"""Counts rows of tables with an independent engine: DuckDB, else Polars."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from influx_lake.errors import MissingExtra
from influx_lake.sql.extensions import have_iceberg, load_iceberg

if TYPE_CHECKING:
    from pyiceberg.table import Table

Count = Callable[["Table"], int]


def other_engine() -> tuple[str, Count]:
    """The engine's name, and a function that counts a table's rows with it.

    Raises:
        MissingExtra: Neither is installed.
    """
    if have_iceberg():
        return _duckdb()
    if find_spec("polars"):
        return _polars()
    raise MissingExtra("reading the tables back with another engine", "demo")


def _duckdb() -> tuple[str, Count]:
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    load_iceberg(connection, "reading the tables back")

    def count(table: Table) -> int:
        # Every column is read, so that a file that cannot be decoded is found.
        columns = ", ".join(f'count("{name.replace(chr(34), chr(34) * 2)}")' for name in table.schema().column_names)
        path = table.metadata_location.replace("'", "''")
        row = connection.execute(f"SELECT count(*), {columns} FROM iceberg_scan('{path}')").fetchone()  # noqa: S608
        assert row is not None
        return int(row[0])

    return f"DuckDB {duckdb.__version__}", count


def _polars() -> tuple[str, Count]:
    import polars as pl

    # Polars warns at every scan that its faster planner is not there.
    os.environ.setdefault("POLARS_ICEBERG_PLANNER", "pyiceberg")

    def count(table: Table) -> int:
        return int(pl.scan_iceberg(table).select(pl.len()).collect().item())

    return f"Polars {pl.__version__}", count
