"""The demonstration, run as a newcomer runs it, twice in one folder."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dagster.components.core.component_tree import ComponentTree
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.cli.sandboxes import SANDBOX_FOLDER, running_sandbox
from influx_lake.config import example_lake, load_lake
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sources import Source, open_source

LAG = timedelta(minutes=10)
"""The default."""

pytestmark = pytest.mark.slow

STATIONS = """\
# two measurements of long ago, and late points of a measurement that the example has
weather,station=Zürich temperature=1.5,clouds=3i 1546300800
weather,station=Zürich temperature=2.5,note="two
lines" 1577836800
o'brien\\ "x" up=true 1609459200
cpu,cpu=cpu0,host=old usage_user=1 1609459200
"""


@dataclass
class Demo:
    """A folder in which the demonstration ran.

    Attributes:
        folder: The folder.
        told: What each run told as JSON.
        stderr: What each run told besides.
        text: What a person is told by a third run.
    """

    folder: Path
    told: list[dict[str, Any]]
    stderr: list[str]

    @property
    def config(self) -> Path:
        return self.folder / "lake.yaml"

    @property
    def catalog(self) -> Catalog:
        lake = load_lake(self.config)
        return open_catalog(lake.catalog.name, lake.catalog.properties())

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by measurement."""
        return {each.name: self.catalog.load_table(each.identifier) for each in load_lake(self.config).measurements}

    @property
    def token(self) -> str:
        return (self.folder / SANDBOX_FOLDER / "token").read_text().strip()


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The variables of a lake that is in use must not lead the demo to it.
    environment = {**os.environ, "INFLUXDB3_HOST": "http://127.0.0.1:1", "INFLUXDB3_TOKEN": "apiv3_of_somebody_else"}
    return subprocess.run(
        [sys.executable, "-m", "influx_lake.cli", "demo", "--dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    stations = folder.parent / "stations.lp.gz"
    stations.write_bytes(gzip.compress(STATIONS.encode()))
    runs = [run_demo(folder, "--json"), run_demo(folder, "--json", "--load", str(stations))]
    assert [run.returncode for run in runs] == [0, 0], [run.stderr for run in runs]
    return Demo(folder, [json.loads(run.stdout) for run in runs], [run.stderr for run in runs])


@pytest.fixture(scope="module")
def source(demo: Demo) -> Iterator[Source]:
    """What the demonstration's sandbox holds."""
    with running_sandbox(demo.folder / SANDBOX_FOLDER) as box, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUXDB3_HOST", box.url)
        patch.delenv("INFLUXDB3_TOKEN", raising=False)
        patch.delenv("INFLUXDB3_DATABASE", raising=False)
        opened = open_source(load_lake(demo.config).sources["default"])
        yield opened
        opened.close()


def test_it_tells_one_object_in_less_than_a_minute(demo: Demo) -> None:
    first = demo.told[0]
    assert first["config"] == str(demo.config)
    assert 0 < first["seconds"] < 60
    assert list(first["measurements"]) == ["cpu", "disk", "mem", "net"]
    for name, told in first["measurements"].items():
        assert told["table"] == f"telemetry.{name}"
        assert told["windows"] == 8
        assert told["source_rows"] == told["lake_rows"] > 7 * 24 * 60
    assert demo.stderr == ["", ""]


def test_the_second_run_goes_on(demo: Demo) -> None:
    first, second = (told["measurements"] for told in demo.told)
    for name, told in first.items():
        assert second[name]["source_rows"] >= told["source_rows"]
        assert second[name]["source_rows"] - told["source_rows"] < 10_000


def test_the_lake_yaml_is_the_example_and_the_rest_is_in_the_hidden_folder(demo: Demo) -> None:
    assert demo.config.read_text() == example_lake()
    assert sorted(os.listdir(demo.folder)) == [".lake", "lake.yaml"]


def test_the_tables_hold_what_the_source_holds(demo: Demo, source: Source) -> None:
    everything = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    for name, table in demo.tables.items():
        schema = source.schema(name)
        order = [("time", "ascending"), *((tag, "ascending") for tag in schema.tags)]
        with source.read(schema, everything) as stream:
            held = pa.Table.from_batches(list(stream), stream.schema).sort_by(order)
        found = table.scan().to_arrow().select(held.column_names)
        columns = [_as_in_the_lake(column) for column in held.columns]
        assert pa.table(columns, held.column_names).equals(
            found.cast(
                pa.schema([(field.name, column.type) for field, column in zip(held.schema, columns, strict=True)])
            ).sort_by(order)
        ), name
        assert demo.told[1]["measurements"][name]["lake_rows"] == held.num_rows == source.count(name, everything)


def _as_in_the_lake(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_uint64(column.type):
        return column.cast(pa.decimal128(20, 0))
    return column.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(column.type) else column


def test_other_engines_count_the_same(demo: Demo) -> None:
    import duckdb
    import polars as pl
    from duckdb_extensions import import_extension

    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        import_extension(extension, con=connection)
        connection.load_extension(extension)
    for name, table in demo.tables.items():
        expected = demo.told[1]["measurements"][name]["lake_rows"]
        query = f"SELECT count(*) FROM iceberg_scan('{table.metadata_location}')"
        assert connection.sql(query).fetchone() == (expected,)
        assert pl.scan_iceberg(table).select(pl.len()).collect().item() == expected


def test_a_week_the_current_hour_and_nothing_of_the_future(demo: Demo) -> None:
    now = datetime.now(UTC)
    for name in ("cpu", "mem", "disk", "net"):
        times = demo.tables[name].scan(row_filter="time > '2026-06-01T00:00:00+00:00'").to_arrow().column("time")
        assert pc.max(times).as_py() <= now
        assert now - timedelta(minutes=10) < pc.max(times).as_py()
        assert pc.min(times).as_py().date() == (now - timedelta(days=7)).date()


def test_late_points_brought_a_new_column(demo: Demo) -> None:
    late = demo.tables["cpu"].scan(row_filter="host == 'edge-1'").to_arrow()
    assert late.num_rows == 120
    assert late.column("frequency_mhz").null_count == 0


def test_each_closed_day_is_loaded_and_today_is_still_due(demo: Demo) -> None:
    coverage = demo.tables["mem"].properties["influx-lake.coverage"]
    start, end = (datetime.fromisoformat(text) for text in coverage.split("/"))
    assert start == start.replace(hour=0, minute=0, second=0)
    # What is younger than the lag is not covered: all of today, shortly after midnight.
    assert end - start >= timedelta(days=7) - LAG
    assert end <= datetime.now(UTC) - LAG


def test_a_file_of_line_protocol_becomes_tables(demo: Demo) -> None:
    told = demo.told[1]["measurements"]
    assert told["weather"] == {"source_rows": 2, "lake_rows": 2, "windows": 2, "table": "telemetry.weather"}
    assert told['o\'brien "x"']["table"] == "telemetry.o_brien__x_"
    assert told["cpu"]["windows"] == 9
    rows = demo.tables["weather"].scan().to_arrow().sort_by("time").to_pylist()
    assert rows[1] == {
        "time": datetime(2020, 1, 1, tzinfo=UTC),
        "station": "Zürich",
        "clouds": None,
        "note": "two\nlines",
        "temperature": 2.5,
    }


def test_no_token_is_reported_or_kept_in_the_lake(demo: Demo) -> None:
    assert demo.token not in json.dumps(demo.told) + "".join(demo.stderr)
    for path in (demo.folder / ".lake").rglob("*"):
        if path.is_file() and SANDBOX_FOLDER.name not in path.parts:
            assert demo.token.encode() not in path.read_bytes(), path


def test_somebody_elses_lake_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text("sources: {}\n")
    run = run_demo(tmp_path)
    assert run.returncode == 2
    assert "--dir" in run.stderr
    assert os.listdir(tmp_path) == ["lake.yaml"]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"cpu usage_user=1 1\ncpu usage_user= 2\n", 1, "point 2"),
        (b"\xff\xfe\x00", 2, "not text"),
    ],
)
def test_a_file_that_is_no_line_protocol(tmp_path: Path, content: bytes, code: int, message: str) -> None:
    (tmp_path / "bad.lp").write_bytes(content)
    run = run_demo(tmp_path / "demo", "--load", str(tmp_path / "bad.lp"))
    assert run.returncode == code, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_a_new_project_begins_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`new --demo`: measurements, a roll-up, and an asset of the project's own with the same partitions."""
    command = [sys.executable, "-m", "influx_lake.cli", "new", "plant", "--demo"]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    lake = load_lake(tmp_path / "plant" / "lake.yaml")
    assert lake.name == "plant"
    assert {each.name for each in lake.measurements} == {"cpu", "disk", "mem", "net"}
    cpu = lake.find("cpu")
    catalog = open_catalog("lake", lake.catalog.properties())
    points = catalog.load_table(cpu.identifier).scan(selected_fields=("time", "cpu", "host")).to_arrow()
    hours = points.set_column(0, "time", pc.floor_temporal(points["time"], unit="hour"))
    rows = catalog.load_table(cpu.rollups[0].identifier).scan(selected_fields=("time", "cpu", "host")).to_arrow()
    assert rows.num_rows == hours.group_by(["time", "cpu", "host"]).aggregate([]).num_rows
    monkeypatch.syspath_prepend(str(tmp_path / "plant"))
    definitions = ComponentTree.for_project(tmp_path / "plant").build_defs()
    own = definitions.resolve_asset_graph().get(dg.AssetKey(["telemetry", "quiet_hosts"]))
    assert own.partitions_def is not None
    assert own.partitions_def.get_first_partition_key() == cpu.scheme.key(cpu.scheme.window_at(cpu.scheme.start))
