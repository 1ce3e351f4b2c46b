"""`influx-lake adopt` on tables of InfluxData's plugin: checked against a sandbox, and loaded where they differ."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, SQLITE, CliLake
from influx_lake_tests.integration.plugin_tables import append, as_in_core_3_6

LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults: {{namespace: default, time_type: timestamp, partition: {{every: day, start: 2026-01-01}}, reconcile: off}}
measurements:
  cpu: {{}}
"""
ABSENT = {"host": "", "region": "", "usage": 0.0, "cores": 0, "up": False, "state": ""}
TABLE = "default.cpu"
END = ("--end", "2026-01-05")


class PluginLake(CliLake):
    """A lake whose table the plugin fills."""

    points: list[dict[str, Any]]

    def write(self, points: list[dict[str, Any]]) -> None:
        """Write points to the database."""
        lines = []
        for point in points:
            tags = "".join(f",{name}={point[name]}" for name in ("host", "region") if name in point)
            fields = {name: point[name] for name in ("usage", "cores", "up", "state") if name in point}
            lines.append(f"cpu{tags} {','.join(map(_field, fields.items()))} {point['time']}")
        self.box.write("telemetry", "\n".join(lines))

    def run_plugin(self, points: list[dict[str, Any]]) -> None:
        append(self.catalog, TABLE, as_in_core_3_6(points, ABSENT))

    def read(self, name: str = TABLE) -> pa.Table:
        rows = self.catalog.load_table(name).scan().to_arrow()
        return rows.sort_by([("time", "ascending"), ("host", "ascending")])

    def adopt(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        result = self.tell("adopt", "cpu", *END, *arguments, "--json")
        found = result.object
        return result.code, found["measurements"][0] if "measurements" in found else found


def _field(named: tuple[str, Any]) -> str:
    name, value = named
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if isinstance(value, int):
        return f"{name}={value}i"
    return f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"


def of_day(day: int, count: int = 4) -> list[dict[str, Any]]:
    """Points of a day of 2026, some without a value in each column."""
    points = []
    for number in range(count):
        point: dict[str, Any] = {"time": FIRST_DAY_NS + day * DAY_NS + number * 10**9, "host": f"h{number}"}
        point |= {"usage": number + 0.5} if number % 2 else {"cores": number, "up": True}
        point |= {"region": "eu", "state": "ok"} if number % 3 else {}
        points.append(point)
    return points


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[PluginLake]:
    with Sandbox() as box:
        lake = PluginLake(tmp_path, box, capsys)
        lake.write_config(LAKE, SQLITE)
        yield lake


@pytest.mark.slow
def test_a_table_of_the_plugin_in_place(lake: PluginLake) -> None:
    days = [of_day(day) for day in range(4)]
    for points in days:
        lake.write(points)
    # The first day is right but for absent values, the second is there twice, half of the third, and the fourth is not.
    for points in (days[0], days[1], days[1], days[2][:2]):
        lake.run_plugin(points)
    before = lake.metadata(TABLE)
    code, found = lake.adopt("--dry-run")
    assert (code, lake.metadata(TABLE)) == (1, before)
    assert {each["column"] for each in found["columns"]} == {*ABSENT, ""}
    assert found["windows"] == {"equal": 0, "loaded": 4, "kept": 0, "done": 0}
    assert found["rows"] == dict.fromkeys(("gone", "kept", "copies"), 0) | {
        "source_rows": 16,
        "lake_rows": 14,
        "missing": 6,
        "doubled": 4,
        "changed": 10,
    }
    assert found["differing"][0]["columns"] == ["region", "cores", "state", "up", "usage"]

    code, again = lake.adopt()
    assert (code, again["rows"], again["windows"]) == (0, found["rows"], found["windows"])
    rows = lake.read()
    assert rows.select(["host", "region", "usage", "cores", "up", "state"]).to_pylist() == [
        {name: point.get(name) for name in ABSENT} for points in days for point in points
    ]
    assert lake.tell("verify", "--profile", *END).code == 0
    assert lake.tell("plan", *END, "--json").object["windows"] == 0

    # Nothing is left to be done, and nothing is done.
    before = lake.metadata(TABLE)
    code, last = lake.adopt()
    assert (code, lake.metadata(TABLE)) == (0, before)
    assert last["windows"] == {"equal": 4, "loaded": 0, "kept": 0, "done": 0}
    assert last["differing"] == []


def test_windows_that_are_right_are_recorded_and_not_written(lake: PluginLake) -> None:
    points = [point | {"usage": 1.0, "cores": 1, "up": True, "state": "ok", "region": "eu"} for point in of_day(0)]
    lake.write(points)
    lake.run_plugin(points)
    files = lake.data_files()
    assert lake.tell("replicate", "cpu", *END).code == 1  # It is nobody's of us.
    code, found = lake.adopt()
    assert (code, found["windows"]) == (0, {"equal": 4, "loaded": 0, "kept": 0, "done": 0})
    assert lake.data_files() == files
    snapshot = lake.catalog.load_table(TABLE).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["influx-lake.window"] == "2026-01-01T00:00:00Z/2026-01-05T00:00:00Z"
    assert lake.tell("plan", *END, "--json").object["windows"] == 0
    # From now on it takes points that lack values.
    lake.write(of_day(1))
    assert lake.tell("replicate", "cpu", "--start", "2026-01-02", *END).code == 0
    assert lake.rows(TABLE) == 8


@pytest.mark.slow
def test_rows_that_the_source_does_not_have_any_more_stay(lake: PluginLake) -> None:
    gone, partly, there = of_day(0), of_day(1), of_day(2)
    lake.write([*partly[:3], *there])
    for points in (gone, gone, partly, partly, there):
        lake.run_plugin(points)
    _, found = lake.adopt()
    outcomes = {each["window"][:10]: each["outcome"] for each in found["differing"]}
    assert outcomes == {"2026-01-01": "kept", "2026-01-02": "loaded", "2026-01-03": "loaded"}
    assert (found["rows"]["gone"], found["rows"]["kept"], found["rows"]["doubled"]) == (10, 10, 3)
    days = [lake.catalog.load_table(TABLE).scan(EqualTo("host", "h3")).to_arrow().to_pylist()]
    # Of the last point of the second day both rows stay: which is right nothing tells.
    assert len(days[0]) == 2 + 2 + 1
    assert lake.rows(TABLE) == 8 + 3 + 2 + 4
    assert lake.adopt()[1]["windows"] == {"equal": 2, "loaded": 0, "kept": 2, "done": 0}
    # Where every tag is there, rows that are equal in every column are copies of one.
    _, found = lake.adopt("--drop-copies")
    assert (lake.rows(TABLE), found["rows"]["copies"], found["rows"]["kept"]) == (4 + 3 + 1 + 4, 5, 5)
    # With on_shrink: replace the source is believed.
    lake.config.write_text(lake.config.read_text().replace("reconcile: off", "reconcile: off, on_shrink: replace"))
    _, found = lake.adopt()
    assert (lake.rows(TABLE), found["rows"]["kept"]) == (3 + 4, 0)
    assert "which go (on_shrink: replace)" in found["differing"][0]["explanation"]


@pytest.mark.slow
def test_columns_whose_types_were_guessed_wrong(lake: PluginLake) -> None:
    times = [FIRST_DAY_NS + day * DAY_NS for day in range(3)]
    lake.box.write("telemetry", "\n".join(f"cpu,host=a cores=7i,usage=0.5,state=1u {time}" for time in times[:2]))
    # Whole numbers as floats, floats as texts, and rows of a day that the source has no more.
    rows = [{"time": time, "host": "a", "cores": 7.0, "usage": "0.5", "state": 1} for time in times]
    append(lake.catalog, TABLE, rows)
    _, found = lake.adopt("--dry-run")
    told = {each["column"]: each["cure"] for each in found["columns"] if "does not hold" in each["problem"]}
    assert told == {
        "cores": "stays as 'cores__double' for rows that the source no longer has, and a new 'cores' takes its place",
        "usage": "stays as 'usage__string' for rows that the source no longer has, and a new 'usage' takes its place",
        "state": "stays as 'state__long' for rows that the source no longer has, and a new 'state' takes its place; "
        "`unsigned: long` goes on with the column",
    }
    assert {each["problem"] for each in found["columns"]} >= {
        "is double, which does not hold the source's long",
        "is string, which does not hold the source's double",
        "is long, which does not hold the source's decimal(20, 0)",
    }
    code, found = lake.adopt()
    assert (code, found["windows"]["loaded"], found["windows"]["kept"]) == (0, 2, 1)
    assert lake.read().select(["cores", "usage", "cores__double", "usage__string"]).to_pylist() == [
        {"cores": 7, "usage": 0.5, "cores__double": None, "usage__string": None},
        {"cores": 7, "usage": 0.5, "cores__double": None, "usage__string": None},
        {"cores": None, "usage": None, "cores__double": 7.0, "usage__string": "0.5"},
    ]
    assert lake.adopt()[1]["windows"]["loaded"] == 0
    assert lake.adopt("--dry-run")[0] == 0
    told = lake.tell("sql", "select cores, cores__double as old from cpu order by time", "--json").object["rows"]
    assert [(row["cores"], row["old"]) for row in told] == [(7, None), (7, None), (None, 7.0)]
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    # A row that stays in a window which is loaded keeps what was set aside.
    lake.box.write("telemetry", f"cpu,host=b cores=9i {times[2]}")
    assert lake.adopt()[1]["rows"]["kept"] == 1
    assert lake.read().select(["host", "cores", "cores__double", "usage__string"]).to_pylist()[2:] == [
        {"host": "a", "cores": None, "cores__double": 7.0, "usage__string": "0.5"},
        {"host": "b", "cores": 9, "cores__double": None, "usage__string": None},
    ]


def test_nanoseconds_that_were_cut_come_back(lake: PluginLake) -> None:
    points = [{"time": FIRST_DAY_NS + 1_000 + below, "host": "a", "usage": float(below)} for below in (1, 2, 0)]
    lake.write(points)
    append(lake.catalog, TABLE, points)
    _, found = lake.adopt()
    assert found["differing"][0]["columns"][0] == "time (below a microsecond)"
    assert (found["rows"]["missing"], found["rows"]["doubled"]) == (0, 0)
    assert sorted(lake.read()["time_ns"].to_pylist()) == sorted(point["time"] for point in points)
    assert lake.adopt()[1]["windows"]["equal"] == 4


@pytest.mark.slow
def test_into_a_new_table_with_zones(lake: PluginLake) -> None:
    points = of_day(0)
    lake.write(points[:3])
    lake.run_plugin(points)
    lake.run_plugin(points)
    lake.config.write_text(lake.config.read_text().replace("time_type: timestamp, ", ""))
    result = lake.tell("adopt", "cpu", *END)
    assert result.code == 1
    assert "the time of default.cpu is a timestamp, which cannot become a timestamptz in place" in result.err
    old = lake.read()
    code, found = lake.adopt("--into", "cpu_new")
    assert (code, found["into"], found["windows"]["loaded"]) == (0, "default.cpu_new", 1)
    new = lake.read("default.cpu_new")
    assert new.schema.field("time").type == pa.timestamp("us", "UTC")
    # Both rows of the point that the source has no more.
    assert new.num_rows == 3 + 2
    assert new["region"].to_pylist()[:3] == [None, "eu", "eu"]
    assert lake.read() == old
    assert lake.adopt("--into", "cpu_new")[1]["windows"] == {"equal": 3, "loaded": 0, "kept": 0, "done": 1}
    lake.config.write_text(lake.config.read_text().replace("cpu: {}", "cpu: {table: cpu_new}"))
    assert lake.tell("plan", "--end", "2026-01-02", "--json").object["windows"] == 0


def test_what_is_not_adopted(lake: PluginLake) -> None:
    result = lake.tell("adopt", "cpu", *END)
    assert (result.code, result.out.strip()) == (
        0,
        "cpu: there is no table default.cpu yet: influx-lake replicate default.cpu",
    )
    assert lake.tell("adopt").code == 2
    assert lake.tell("adopt", "--all", "cpu").code == 2
    assert "no name of a table" in lake.tell("adopt", "cpu", "--into", "a b").err
    assert "default.cpu is the table of cpu in lake.yaml" in lake.tell("adopt", "cpu", "--into", "cpu").err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_goes_on_where_it_was_killed(lake: PluginLake, number: signal.Signals) -> None:
    days = [of_day(day, count=3) for day in range(4)]
    for points in days:
        lake.write(points)
        lake.run_plugin(points)
        lake.run_plugin(points)
    adopting = lake.start("adopt", "cpu", *END)
    assert adopting.stdout is not None
    loaded = next(line for line in adopting.stdout if line.startswith("✓"))
    adopting.send_signal(number)
    _, err = adopting.communicate(timeout=60)
    assert adopting.returncode != 0
    assert number is signal.SIGKILL or "The same command goes on" in err
    assert "2026-01-01" in loaded
    assert lake.rows(TABLE) < 24
    _, found = lake.adopt()
    assert found["windows"]["equal"] >= 1
    assert lake.rows(TABLE) == 12
    assert lake.tell("verify", "--profile", *END).code == 0


@pytest.mark.slow
def test_from_the_trigger_to_a_lake_that_is_right(lake: PluginLake, monkeypatch: pytest.MonkeyPatch) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{lake.folder}/catalog.db", "warehouse": f"{lake.folder}/warehouse"}
    with SqlCatalog("iceberg", **properties) as catalog:
        for day in range(2):
            lake.write(of_day(day))
            for _ in range(3):
                append(catalog, "monitoring.cpu_metrics", as_in_core_3_6(of_day(day), ABSENT))
    encoded = base64.b64encode(json.dumps(properties).encode()).decode()
    arguments = f'measurement=cpu,window=24h,catalog_configs="{encoded}",namespace=monitoring,table_name=cpu_metrics'
    lake.config.unlink()
    monkeypatch.setenv("INFLUXDB3_TOKEN", str(lake.box.token))
    monkeypatch.setenv("INFLUXDB3_HOST", lake.box.url)
    result = lake.tell("import-plugin", arguments, "--database", "telemetry")
    assert result.code == 0, result.err
    assert "influx-lake discover and influx-lake adopt --all" in result.out
    assert lake.tell("discover").code == 0
    assert lake.tell("replicate", "--all").code == 1
    result = lake.tell("adopt", "--all", "--json")
    assert result.code == 0, result.err
    [found] = result.object["measurements"]
    assert (found["table"], found["rows"]["doubled"]) == ("monitoring.cpu_metrics", 16)
    assert lake.tell("verify", "--profile").code == 0
    assert lake.tell("replicate", "--all").code == 0
    table = lake.catalog.load_table("monitoring.cpu_metrics")
    assert len(table.scan().to_arrow()) == 8
    # The next loads put it into partitions, as the lake.yaml says.
    assert [str(each.transform) for each in table.spec().fields] == ["day"]


@pytest.mark.slow
def test_a_table_of_a_pipeline_with_names_of_its_own(lake: PluginLake) -> None:
    shaped = """\
cpu:
    time_type: timestamptz
    rename: {time: ts, host: hostname}
    types: {cores: int}
    computed: {busy: "usage * 2"}
    constants: {plant: north}
    metadata_columns: {loaded_at: loaded_at, run_id: run_id}
"""
    lake.config.write_text(lake.config.read_text().replace("cpu: {}\n", shaped))
    points = [{"usage": 0.5, "cores": 1} | point for point in of_day(0)]
    lake.write(points[:3])
    rows = pa.table(
        {
            "ts": pa.array([point["time"] // 1000 for point in points], pa.timestamp("us", "UTC")),
            "hostname": [point["host"] for point in points],
            "region": [point.get("region") for point in points],
            "usage": [point["usage"] for point in points],
            "run_id": ["theirs"] * 4,
            "_dlt_id": list("abcd"),
        }
    )
    lake.catalog.create_namespace("default")
    lake.catalog.create_table(TABLE, rows.schema).append(rows)
    code, found = lake.adopt()
    assert (code, found["rows"]["gone"], found["rows"]["changed"]) == (0, 1, 3)
    assert {*found["differing"][0]["columns"]} == {"plant", "busy", "cores", "state", "up"}
    names = ["hostname", "usage", "cores", "busy", "plant", "_dlt_id"]
    found_rows = lake.catalog.load_table(TABLE).scan().to_arrow().sort_by("ts")
    assert found_rows.select(names).to_pylist() == [
        dict(zip(names, values, strict=True))
        for values in (
            ("h0", 0.5, 0, 1.0, "north", None),
            ("h1", 1.5, 1, 3.0, "north", None),
            ("h2", 0.5, 2, 1.0, "north", None),
            ("h3", 3.5, None, None, None, "d"),
        )
    ]
    # A run that loads a row anew puts its own name in; of those that stay, theirs is kept.
    runs = found_rows["run_id"].to_pylist()
    assert runs[3] == "theirs"
    assert all(run.startswith("adopt-") for run in runs[:3])
    assert lake.adopt()[1]["windows"] == {"equal": 3, "loaded": 0, "kept": 1, "done": 0}
    result = lake.tell("sql", "select hostname, busy from cpu order by ts", "--json").object
    assert [(row["hostname"], row["busy"]) for row in result["rows"]] == [("h0", 1), ("h1", 3), ("h2", 1), ("h3", None)]
