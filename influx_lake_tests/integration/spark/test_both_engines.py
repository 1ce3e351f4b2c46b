"""Every kind of file, type, shape and way of writing, by both engines: nobody can tell from the table which it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.integration.spark.landed_files import BOUNDS, MEASUREMENTS, lake, land

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ENGINES = ("own", "spark")
TWICE = ("json_plain", "json_quarantined", "json_upserted", "json_joined", "json_appended")
"""Loaded again: what is there is replaced, joined, or left."""
OF_A_LOAD = ("commit-id", "run-id", "commits", "totals", "table-uuid", "parts")
"""What is another one with every load, or tells of snapshots and bytes."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, spark: Any) -> Path:
    """The files, loaded by both."""
    folder = tmp_path_factory.mktemp("landed")
    land(folder)
    for engine in ENGINES:
        config = lake(folder, engine)
        assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0, engine
        assert run(["replicate", *TWICE, *BOUNDS, "-c", str(config)]) == 0, engine
    return folder


def _table(folder: Path, engine: str, name: str) -> Any:
    config = load_lake(folder / f"{engine}.yaml")
    catalog = open_catalog(config.catalog.name, config.catalog.properties())
    found = [each.identifier for each in config.measurements if each.key == name.removesuffix("__quarantine")]
    identifier = (*found[0][:-1], found[0][-1] + ("__quarantine" if name.endswith("__quarantine") else ""))
    return catalog.load_table(identifier)


def _rows(table: Any) -> list[tuple[Any, ...]]:
    """The rows, read by DuckDB."""
    paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    query = (
        "SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?, union_by_name = true, hive_partitioning = false) ORDER BY ALL"
    )
    with duckdb.connect() as connection:
        return connection.execute(query, [paths]).fetchall() if paths else []


def _facts(table: Any) -> dict[str, Any]:
    """All that a table says of itself and of its loads."""
    metadata = table.metadata
    state = table_state(table)

    def kept(properties: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in properties.items() if not name.endswith(OF_A_LOAD)}

    loads = [
        kept({name: value for name, value in each.summary.additional_properties.items() if "influx-lake" in name})
        for each in metadata.snapshots
    ]
    return {
        "schema": json.loads(metadata.schema().model_dump_json()),
        "spec": json.loads(metadata.spec().model_dump_json()),
        "order": json.loads(metadata.sort_order_by_id(metadata.default_sort_order_id).model_dump_json()),
        "properties": kept({name: value.replace("/spark/", "/own/") for name, value in metadata.properties.items()}),
        "coverage": state.coverage,
        "tags": state.tags,
        "loads": loads,
        "orders_of_files": {task.file.sort_order_id for task in table.scan().plan_files()},
    }


@pytest.mark.parametrize("name", [*MEASUREMENTS, "json_quarantined__quarantine"])
def test_nobody_can_tell_who_loaded_a_table(loaded: Path, name: str) -> None:
    own, spark = (_table(loaded, engine, name) for engine in ENGINES)
    assert _facts(spark) == _facts(own)
    found = _rows(own)
    assert len(found) > 100
    assert _rows(spark) == found


def test_windows_were_written_by_several_tasks(loaded: Path) -> None:
    files = list(_table(loaded, "spark", "json_plain").scan().plan_files())
    assert len(files) > 2 * len(list(_table(loaded, "own", "json_plain").scan().plan_files()))


@pytest.mark.parametrize("depth", [[], ["--profile"], ["--values"]])
def test_what_spark_loaded_is_verified_as_anything_else(
    loaded: Path, depth: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", *depth, "json_plain", "json_shaped", "lines_net", *BOUNDS]
    assert run([*command, "-c", str(loaded / "spark.yaml")]) == 0, capsys.readouterr().out
    assert "all equal" in capsys.readouterr().out


def test_bad_lines_are_kept_where_people_look_for_them(loaded: Path) -> None:
    def kept(engine: str) -> list[str]:
        return sorted(file.read_text() for file in (loaded / engine / "staging" / "bad_lines").glob("*.jsonl"))

    assert len(kept("own")) == 1
    assert kept("spark") == kept("own")
