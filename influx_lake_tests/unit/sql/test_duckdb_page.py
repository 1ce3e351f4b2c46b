"""What docs/query/duckdb.md has in Python runs as it stands there, in a DuckDB that has no extension and no network."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from influx_lake_tests.integration.query.page import blocks, run_python


@pytest.mark.slow
def test_other_catalogs(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/catalog.db"
    catalog = SqlCatalog("lake", uri=uri, warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("telemetry")
    points = pa.table({"host": ["a", "a", "b"], "usage_user": [1.0, 2.0, 4.0], "requests": [1, 2, 3]})
    catalog.create_table("telemetry.cpu", points.schema).append(points)
    catalog.close()

    [block] = blocks("duckdb")["Other catalogs"]
    text = block.text.replace('type="rest", uri="https://catalog.example.com"', f'type="sql", uri="{uri}"')
    assert text != block.text
    before = duckdb.default_connection()
    offline = {
        "extension_directory": str(tmp_path / "extensions"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(config=offline) as connection:
        duckdb.set_default_connection(connection)
        try:
            assert run_python(text, {}) == [("a", 2, 1.5, 3), ("b", 1, 4.0, 3)]
        finally:
            duckdb.set_default_connection(before)
