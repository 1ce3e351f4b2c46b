"""Reads tables with an engine that had no part in writing them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.errors import MissingExtra

if TYPE_CHECKING:
    from pyiceberg.table import Table

_EXTENSIONS = ("avro", "iceberg")

Count = Callable[["Table"], int]


def other_engine() -> tuple[str, Count]:
    """The engine's name, and what counts a table's rows with it: DuckDB, else Polars.

    Raises:
        MissingExtra: Neither is installed.
    """
    if find_spec("duckdb") and all(file is not None for file in map(_extension, _EXTENSIONS)):
        return _duckdb()
    if find_spec("polars"):
        return _polars()
    raise MissingExtra("reading the tables back with another engine", "demo")


def _extension(name: str) -> Path | None:
    """A DuckDB extension's file, where its package is installed for this version of DuckDB."""
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return file if file.is_file() else None


def _duckdb() -> tuple[str, Count]:
    import duckdb

    # Loaded from where they lie: to install them would copy them into the user's home, or ask the network for them.
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in _EXTENSIONS:
        connection.load_extension(str(_extension(name)))

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
