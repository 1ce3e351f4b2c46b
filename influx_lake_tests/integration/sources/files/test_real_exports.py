"""Exports that InfluxDB's own tools write of real servers give the rows that the servers do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from influx_lake.config.values.windows import Window
from influx_lake.sources import Source, open_source
from influx_lake_tests.integration.sources.influxdb_points import NAME, WINDOW, line_protocol
from influx_lake_tests.unit.sources.line_files import line_source
from testbed.influxdb_servers import DATABASE, Server, influxdb1, influxdb2, influxdb2_binary

pytestmark = pytest.mark.servers

_INSPECT = os.environ.get("INFLUX_LAKE_TEST_INFLUX_INSPECT") or shutil.which("influx_inspect") or "influx_inspect"


def _rows(source: Source, name: str, window: Window = WINDOW) -> pa.Table:
    with source.read(source.schema(name), window) as stream:
        batches = [pa.RecordBatch.from_arrays([_plain(c) for c in each.columns], each.schema.names) for each in stream]
    table = pa.Table.from_batches(batches)
    source.close()
    table = table.select(sorted(table.column_names))
    return table.sort_by([(each, "ascending") for each in ("time", "host")])


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _fill(server: Server, points: int = 3_000) -> None:
    lines = list(line_protocol(points))
    server.write("\n".join(lines[: points // 2]))
    server.write("\n".join(lines[points // 2 :]))


@pytest.mark.parametrize("version", ["1.6", "1.8"])
@pytest.mark.parametrize("more", [[], ["-compress"], ["-lponly"]])
def test_influx_inspect_export(version: str, more: list[str], tmp_path: Path) -> None:
    if not Path(_INSPECT).exists():
        pytest.skip("influx_inspect is not installed: go install .../cmd/influx_inspect@v1.8.10, and name it in "
                    "INFLUX_LAKE_TEST_INFLUX_INSPECT")  # fmt: skip
    with influxdb1(tmp_path / "server", version) as server:
        _fill(server)
        expected = _rows(open_source(server.config()), NAME)
    out = tmp_path / "export.lp"
    folder = tmp_path / "server"
    subprocess.run(
        [_INSPECT, "export", "-datadir", folder / "data", "-waldir", folder / "wal", "-database", DATABASE,
         "-out", out, *more],
        check=True, capture_output=True,
    )  # fmt: skip
    assert _rows(line_source(tmp_path, str(out)), NAME).equals(expected)
    assert expected.num_rows == 3_000


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    with influxdb2(tmp_path / "server") as server:
        _fill(server)
        answer: dict[str, Any] = json.loads(server.request(f"/api/v2/buckets?name={DATABASE}"))
        yield server, answer["buckets"][0]["id"]


@pytest.mark.parametrize("more", [[], ["--compress"]])
def test_export_lp(bucket: tuple[Server, str], more: list[str], tmp_path: Path) -> None:
    server, identifier = bucket
    expected = _rows(open_source(server.config()), NAME)
    server.process.terminate()
    server.process.wait()
    out = tmp_path / "export.lp"
    subprocess.run(
        [influxdb2_binary(), "inspect", "export-lp", "--bucket-id", identifier,
         "--engine-path", tmp_path / "server" / "engine", "--output-path", out, *more],
        check=True, capture_output=True,
    )  # fmt: skip
    assert _rows(line_source(tmp_path, str(out)), NAME).equals(expected)
    assert expected.num_rows == 3_000
