"""Lineage of loads, as a server gets it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.errors import CatalogError
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.replication.changes.change_intake import nanoseconds
from influx_lake.replication.modes import load_window
from influx_lake.replication.planning.due import tail_lag
from influx_lake.sandbox import Sandbox
from influx_lake.sources.reliable.source import ReliableSource
from influx_lake_tests.integration.cli_lake import CliLake
from influx_lake_tests.integration.lineage.openlineage_server import LineageServer, lineage_server, mistakes
from testbed.waiting import wait_until

LAKE = """\
name: plant
sources:
  default: {host: HOST, database: telemetry, token: "${file:token}", retry: {budget: 1s}}
catalog: {type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}
openlineage:
  transport: TRANSPORT
measurements:
  cpu:
    fields: {exclude: [secret_field]}
    rename: {host: hostname}
    computed: {doubled: "value * 2"}
    tail: {every: 1m}
    rollups: {hourly: {every: 1h}}
"""
HTTP = '{type: http, url: URL, timeout: 2, retry: {total: 0}, auth: {type: api_key, apiKey: "${file:key}"}}'


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.fill("cpu", range(2))
        box.write("telemetry", "cpu,host=h0 secret_field=1i 1767225600000000000")
        (tmp_path / "key").write_text("key-of-lineage")
        yield lake


@pytest.fixture
def server(lake: CliLake) -> Iterator[LineageServer]:
    with lineage_server() as server:
        configure(lake, HTTP.replace("URL", server.url))
        yield server
        assert [problem for event in server.events for problem in mistakes(event)] == []


def configure(lake: CliLake, transport: str) -> None:
    lake.config.write_text(LAKE.replace("HOST", lake.box.url).replace("TRANSPORT", transport))
    lake.write_token(str(lake.box.token))


def load(lake: CliLake, *more: str) -> int:
    return lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02", *more).code


def fields(facet: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(each["field"], each["transformations"][0]["subtype"]) for each in made["inputFields"]]
        for name, made in facet["fields"].items()
    }


@pytest.mark.slow
def test_a_load(lake: CliLake, server: LineageServer) -> None:
    assert load(lake) == 0
    [start] = server.of("telemetry.cpu.load", "START")
    [complete] = server.of("telemetry.cpu.load", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["job"]["namespace"] == "plant"
    assert server.tokens == {"Bearer key-of-lineage"}
    nominal = start["run"]["facets"]["nominalTime"]
    assert (nominal["nominalStartTime"], nominal["nominalEndTime"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert start["run"]["facets"]["parent"]["job"]["name"] == "influx-lake replicate"
    [source], [table] = complete["inputs"], complete["outputs"]
    assert source["namespace"] == lake.box.url.replace("http://", "influxdb3://")
    assert source["name"] == "telemetry.cpu"
    assert {each["name"] for each in source["facets"]["schema"]["fields"]} == {"time", "host", "value", "secret_field"}
    assert source["inputFacets"]["inputStatistics"]["rowCount"] == 100
    made = lake.catalog.load_table("telemetry.cpu")
    assert (table["namespace"], table["name"]) == ("file", made.location().removeprefix("file://"))
    assert table["facets"]["symlinks"]["identifiers"][0]["name"] == "telemetry.cpu"
    assert {each["name"] for each in table["facets"]["schema"]["fields"]} == {"time", "hostname", "value", "doubled"}
    assert table["facets"]["version"]["datasetVersion"] == str(made.metadata.current_snapshot_id)
    size = made.current_snapshot().summary["added-files-size"]
    facts = table["outputFacets"]["outputStatistics"]
    assert (facts["rowCount"], str(facts["size"]), facts["fileCount"]) == (100, size, 1)
    assert fields(table["facets"]["columnLineage"]) == {
        "time": [("time", "IDENTITY")],
        "hostname": [("host", "IDENTITY")],
        "value": [("value", "IDENTITY")],
        "doubled": [("value", "TRANSFORMATION")],
    }


def test_a_load_that_fails(lake: CliLake, server: LineageServer) -> None:
    lake.write_token("a-wrong-token-of-this-lake")
    assert load(lake) == 1
    [fail] = server.of("telemetry.cpu.load", "FAIL")
    assert "token" in fail["run"]["facets"]["errorMessage"]["message"]
    assert "a-wrong-token-of-this-lake" not in json.dumps(server.events)
    assert not server.of("telemetry.cpu.load", "COMPLETE")


@pytest.mark.slow
def test_a_load_that_is_interrupted(lake: CliLake, server: LineageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("influx_lake.replication.loading.load_window", interrupted)
    assert load(lake) == 130
    assert [each["eventType"] for each in server.events] == ["START", "ABORT"]


def test_a_server_that_refuses_fails_no_load_and_is_counted(
    lake: CliLake, server: LineageServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 503
    told = lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02")
    assert told.code == 0
    assert "a lineage event was not delivered to the transport http of `openlineage`" in caplog.text
    assert "key-of-lineage" not in caplog.text
    assert "**" not in told.out
    assert "influx_lake_lineage_failures_total 2.0" in lake.tell("metrics").out


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["{type: console}", "{type: composite, transports: {here: {type: console}}}"])
def test_the_console(lake: CliLake, transport: str) -> None:
    configure(lake, transport)
    asked = ["replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02", "--config", str(lake.config), "--json"]
    code = "import sys; from influx_lake.cli.entry import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True, timeout=60, check=True)
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [each["eventType"] for each in events] == ["START", "COMPLETE"]
    json.loads(done.stdout)


@pytest.mark.slow
def test_a_file(lake: CliLake) -> None:
    configure(lake, "{type: file, log_file_path: events.jsonl, append: true}")
    assert load(lake) == 0
    events = [json.loads(line) for line in (lake.folder / "events.jsonl").read_text().splitlines()]
    assert [each["eventType"] for each in events] == ["START", "COMPLETE"]
    assert [problem for event in events for problem in mistakes(event)] == []


KAFKA = "{type: kafka, topic: lineage, config: {CONFIG, message.timeout.ms: 1000}}"


@pytest.mark.slow
def test_kafka(lake: CliLake, caplog: pytest.LogCaptureFixture) -> None:
    # librdkafka's own broker, in the process.
    configure(lake, KAFKA.replace("CONFIG", "test.mock.num.brokers: 1"))
    assert load(lake) == 0
    assert "influx_lake_lineage_failures_total 0.0" in lake.tell("metrics").out
    configure(lake, KAFKA.replace("CONFIG", "bootstrap.servers: '127.0.0.1:1'"))
    assert load(lake) == 0
    assert "a lineage event was not delivered to the transport kafka" in caplog.text
    assert "influx_lake_lineage_failures_total 2.0" in lake.tell("metrics").out


@pytest.mark.slow
def test_one_of_several_transports_that_fails_is_counted(lake: CliLake, server: LineageServer) -> None:
    away = "{type: http, url: 'http://127.0.0.1:1', retry: {total: 0}}"
    here = HTTP.replace("URL", server.url)
    configure(lake, f"{{type: composite, transports: {{away: {away}, here: {here}}}}}")
    assert load(lake) == 0
    assert len(server.events) == 2
    assert "influx_lake_lineage_failures_total 2.0" in lake.tell("metrics").out


@pytest.mark.slow
def test_dagster_run_rollup_and_tail(lake: CliLake, server: LineageServer) -> None:
    definitions = build_definitions(load_lake(lake.config))
    job = definitions.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(["telemetry", name]) for name in ("cpu", "cpu_hourly")]
    done = job.execute_in_process(partition_key="2026-01-01", asset_selection=keys)
    for name in ("telemetry.cpu.load", "telemetry.cpu_hourly.rollup"):
        [complete] = server.of(name, "COMPLETE")
        assert complete["run"]["facets"]["parent"]["run"]["runId"] == done.run_id
    [table], [rolled] = server.of("telemetry.cpu.load", "COMPLETE")[0]["outputs"], complete["outputs"]
    assert (complete["inputs"][0]["namespace"], complete["inputs"][0]["name"]) == (table["namespace"], table["name"])
    assert complete["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 100
    made = fields(rolled["facets"]["columnLineage"])
    assert made["value_mean"] == [("value", "AGGREGATION")]
    assert made["time"] == [("time", "TRANSFORMATION")]
    assert made["hostname"] == [("hostname", "IDENTITY")]
    assert lake.tell("tail", "cpu").code == 0
    started, completed = (len(server.of("telemetry.cpu.tail", state)) for state in ("START", "COMPLETE"))
    # Shortly after midnight a tail is of two windows.
    assert started == completed in (1, 2)


@pytest.mark.slow
def test_a_tail_of_dagster(lake: CliLake, server: LineageServer) -> None:
    arrived = datetime.now(UTC) - tail_lag(load_lake(lake.config).find("cpu")) - timedelta(seconds=1)
    lake.box.write("telemetry", f"cpu,host=h0 value=1i {nanoseconds(arrived)}")
    job = build_definitions(load_lake(lake.config)).resolve_job_def("plant_tail_default")
    done = job.execute_in_process()
    completes = server.of("telemetry.cpu.tail", "COMPLETE")
    assert completes
    assert len(completes) == len(server.of("telemetry.cpu.tail", "START"))
    for each in completes:
        parent = each["run"]["facets"]["parent"]
        assert (parent["run"]["runId"], parent["job"]["name"]) == (done.run_id, "plant_tail_default")
    facets = [each["outputs"][0]["outputFacets"] for each in completes]
    assert sum(facet["outputStatistics"]["rowCount"] for facet in facets if "outputStatistics" in facet) == 1


@pytest.mark.slow
def test_a_load_that_takes_long_is_reported_while_it_runs(
    lake: CliLake, server: LineageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influx_lake.lineage.emitter.RUNNING_SECONDS", 0.05)

    def slow(load: WindowLoad) -> WindowResult:
        wait_until(lambda: len(server.of("telemetry.cpu.load", "RUNNING")) >= 2, "it is told of, and again", 20)
        return load_window(load)

    monkeypatch.setattr("influx_lake.replication.loading.load_window", slow)
    assert load(lake) == 0
    states = [each["eventType"] for each in server.events]
    assert (states[0], set(states[1:-1]), states[-1]) == ("START", {"RUNNING"}, "COMPLETE")
    assert len({each["run"]["runId"] for each in server.events}) == 1
    running = server.of("telemetry.cpu.load", "RUNNING")[0]
    assert running["inputs"] == server.events[0]["inputs"]
    assert running["eventTime"] > server.events[0]["eventTime"]


def test_nothing_is_reported_unless_it_is_configured(lake: CliLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:1")
    lake.write_config()
    lake.fill("mem", range(1))
    told = lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02")
    assert (told.code, told.err.count("lineage")) == (0, 0)


def test_the_end_of_a_load_is_reported_where_the_catalog_is_away_just_then(
    lake: CliLake, server: LineageServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert load(lake) == 0
    asked: list[object] = []

    def away(*arguments: object, **options: object) -> object:
        asked.append(arguments)
        if len(asked) > 1:
            raise CatalogError("the catalog does not answer")
        return find_table(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("influx_lake.lineage.events.find_table", away)
    lake.write_token("a-wrong-token-of-this-lake")
    assert load(lake) == 1
    [fail] = server.of("telemetry.cpu.load", "FAIL")
    [complete] = server.of("telemetry.cpu.load", "COMPLETE")
    for kind in ("inputs", "outputs"):
        [failed], [loaded] = fail[kind], complete[kind]
        assert (failed["namespace"], failed["name"]) == (loaded["namespace"], loaded["name"])
    assert "tells less than it could: CatalogError: the catalog does not answer" in caplog.text


@pytest.mark.slow
def test_no_load_waits_for_what_the_source_says_to_lineage(
    lake: CliLake, server: LineageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    own = ReliableSource.schema

    def schema(self: ReliableSource, measurement: str) -> MeasurementSchema:
        asked.append(measurement)
        return own(self, measurement)

    monkeypatch.setattr(ReliableSource, "schema", schema)
    configure(lake, HTTP.replace("URL", server.url))
    assert load(lake) == 0
    # As without lineage: by the load alone.
    assert asked == ["cpu"]
    assert server.of("telemetry.cpu.load", "COMPLETE")[0]["inputs"][0]["facets"]["schema"]["fields"]


@pytest.mark.slow
def test_a_tail_tells_the_columns_of_its_source(lake: CliLake, server: LineageServer) -> None:
    arrived = datetime.now(UTC) - tail_lag(load_lake(lake.config).find("cpu")) - timedelta(seconds=1)
    lake.box.write("telemetry", f"cpu,host=h0 value=1i {nanoseconds(arrived)}")
    assert lake.tell("tail", "cpu").code == 0
    completes = server.of("telemetry.cpu.tail", "COMPLETE")
    [schema] = [each["inputs"][0]["facets"]["schema"] for each in completes if "schema" in each["inputs"][0]["facets"]]
    assert {each["name"] for each in schema["fields"]} == {"time", "host", "value", "secret_field"}
