"""Loads DuckDB's extensions from the packages of the extra `duckdb`, without the network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.errors import MissingExtra

if TYPE_CHECKING:
    import duckdb

_EXTENSIONS = ("avro", "iceberg")


def have_iceberg() -> bool:
    """Whether DuckDB and its Iceberg extension are installed."""
    return find_spec("duckdb") is not None and all(_file(name) is not None for name in _EXTENSIONS)


def load_iceberg(connection: duckdb.DuckDBPyConnection, feature: str) -> None:
    """Load the Iceberg extension into a connection.

    Args:
        connection: The connection.
        feature: What needs it.

    Raises:
        MissingExtra: The extensions are not installed.
    """
    for name in _EXTENSIONS:
        file = _file(name)
        if file is None:
            raise MissingExtra(feature, "duckdb")
        # Loaded from its path: INSTALL would copy it to the user's home or use the network.
        connection.load_extension(str(file))


def _file(name: str) -> Path | None:
    """The path of an extension, where its package is installed for this version of DuckDB."""
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return file if file.is_file() else None
