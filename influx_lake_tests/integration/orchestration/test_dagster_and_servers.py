"""Dagster's runs, checks and sensors on real InfluxDB 1.8 and 2, asked in InfluxQL and in Flux."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.automation.reconcile_sensor import reconcile_sensor
from influx_lake.orchestration.automation.tail_sensor import tail_jobs, tail_sensor
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.automated_lake import DATABASE, START, asked
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import CPU, SensedLake
from influx_lake_tests.integration.orchestration.served_lake import (
    LANGUAGES,
    ServedDatabase,
    ServedLake,
    served_database,
    served_lake,
    source_section,
)
from testbed.influxdb_servers import DATABASE as BUCKET
from testbed.influxdb_servers import ORG

pytestmark = pytest.mark.servers

DAY_NS = 86_400 * 10**9
START_NS = int(START.timestamp()) * 10**9
MAKE = Callable[..., ServedLake]
ODD = "odd disk, a=b"


@pytest.fixture(scope="module", params=LANGUAGES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    folder = tmp_path_factory.mktemp("server")
    with served_database(folder, request.param) as database:
        yield request.param, database


@pytest.fixture
def make(server: tuple[str, ServedDatabase], tmp_path: Path) -> Iterator[MAKE]:
    """A lake on the server, where cpu has no points."""
    language, database = server
    for name in ("cpu", ODD):
        database.delete(name, "2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z")
    with dg.DagsterInstance.ephemeral() as instance:

        def made(**cpu: Any) -> ServedLake:
            start = {"partition": {"start": "2026-01-01"}}
            return served_lake(database, language, tmp_path, instance, {"cpu": {**start, **cpu}, ODD: start})

        yield made


def points(days: range, per_day: int = 700) -> str:
    """Every type that all versions hold, gaps, odd names and nanoseconds, over days of January 2026."""
    lines = []
    for day in days:
        for number in range(per_day):
            time = START_NS + (day - 1) * DAY_NS + number * (DAY_NS // per_day) + number
            fields = [f"usage={number / 7!r}", f"total={2**60 + number}i", f'state="s {number % 3}"', "up=true"]
            kept = ",".join(field for place, field in enumerate(fields) if (number + place) % 4)
            lines += [
                f"cpu,host=h{number % 5} {kept} {time}",
                f"odd\\ disk\\,\\ a=b,odd\\ key=v{number % 2} {kept} {time}",
            ]
    return "\n".join(lines)


def table(lake: SensedLake, name: str = "cpu") -> pa.Table:
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    rows = catalog.load_table((*lake.measurement(name).identifier,)).scan().to_arrow()
    return rows.select(sorted(rows.column_names)).sort_by([("time_ns", "ascending"), ("time", "ascending")])


def test_windows_are_materialised_checked_and_equal(make: MAKE, tmp_path: Path) -> None:
    lines = points(range(1, 5))
    lake = make()
    lake.box.write(DATABASE, lines)
    both = [CPU, dg.AssetKey(list(lake.measurement(ODD).identifier))]
    result = lake.materialize("2026-01-01", "2026-01-04", both)
    assert result.success
    equality = [each for each in result.get_asset_check_evaluations() if each.check_name == "source_equals_lake"]
    assert [(each.passed, each.metadata["lake_rows"].value) for each in equality] == [(True, 2_800)] * 2
    assert lake.instance.get_materialized_partitions(CPU) == {f"2026-01-0{day}" for day in range(1, 5)}
    # Once more, as a backfill may: the same rows.
    assert lake.materialize("2026-01-02", "2026-01-03", both).success
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:
        (tmp_path / "v3").mkdir()
        measurements = {name: {"partition": {"start": "2026-01-01"}} for name in ("cpu", ODD)}
        v3 = ServedLake(box, tmp_path / "v3", instance, {"measurements": measurements})
        box.write(DATABASE, lines)
        assert v3.materialize("2026-01-01", "2026-01-04", both, checks=False).success
        for name in ("cpu", ODD):
            found, expected = table(lake, name), table(v3, name)
            assert found.num_rows == 2_800
            assert found.equals(expected)


def test_late_points_are_found_and_loaded_and_lost_ones_reported(make: MAKE) -> None:
    lake = make(reconcile={"within": "7d"})
    lake.box.write(DATABASE, points(range(1, 4), per_day=20))
    assert lake.materialize("2026-01-01", "2026-01-03").success
    now = START + timedelta(days=3, hours=1)

    def tick() -> list[tuple[str, str, str]]:
        nonlocal now
        now += timedelta(minutes=15)
        data = lake.evaluate(reconcile_sensor(lake.lake, clock=lambda: now))
        lake.run_all(data.run_requests)
        return asked(data.run_requests or [])

    assert tick() == []
    lake.write_at(START + timedelta(days=1, hours=5), START + timedelta(days=1, hours=6))
    assert not lake.check().passed
    assert tick() == [("differs", "cpu", "01-02/01-03")]
    assert lake.rows() == 62
    assert lake.check().passed
    lake.box.delete("cpu", "2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z")
    assert tick() == []
    assert tick() == []
    assert lake.observations()[0][1]["verdict"] == "shrank"
    assert lake.rows() == 62, "what the source lost is kept"
    result = lake.materialize("2026-01-01", "2026-01-01")
    assert not result.success
    assert "on_shrink" in str(result.all_events)
    assert lake.rows() == 62


def test_the_open_window_is_tailed(make: MAKE) -> None:
    lake = make(tail={"lag": "0"})
    now = datetime.now(UTC)

    def tail() -> dg.ExecuteInProcessResult:
        nonlocal now
        now += timedelta(minutes=1)
        data = lake.evaluate(tail_sensor(lake.lake, tail_jobs(lake.lake), clock=lambda: now))
        [request] = data.run_requests or []
        assert request.job_name == "tail_default"
        return lake.run_job(request)

    lake.write_at(datetime.now(UTC), host="a")
    assert tail().success
    assert lake.rows() == 1
    lake.write_at(datetime.now(UTC), host="b")
    assert tail().success
    assert tail().success
    assert lake.rows() == 2
    assert lake.instance.get_materialized_partitions(CPU) == set()


def test_a_server_that_is_away_fails_the_run_and_leaves_the_table(tmp_path: Path, server: tuple[str, Any]) -> None:
    language = server[0]
    with dg.DagsterInstance.ephemeral() as instance:
        with served_database(tmp_path / "server", language) as database:
            cpu: Mapping[str, Any] = {"cpu": {"partition": {"start": "2026-01-01"}}}
            lake = served_lake(database, language, tmp_path, instance, cpu)
            database.write(DATABASE, points(range(1, 3), per_day=20))
            assert lake.materialize("2026-01-01", "2026-01-01").success
        result = lake.materialize("2026-01-01", "2026-01-02")
        assert not result.success
        [failure] = [event for event in result.all_events if event.is_step_failure]
        assert "SourceUnavailable" in str(failure)
        assert lake.rows() == 20
        assert lake.instance.get_materialized_partitions(CPU) == {"2026-01-01"}


def test_new_databases_are_found_by_the_sensor(server: tuple[str, ServedDatabase], tmp_path: Path) -> None:
    language, database = server
    [options] = source_section(database, language, tmp_path).values()
    option = "bucket" if "bucket" in options else "database"
    file = tmp_path / "lake.yaml"
    catalog = {"type": "sql", "uri": "sqlite:///./c.db", "warehouse": "./w"}
    section = {"plant": {**options, option: "found_*"}}
    file.write_text(f"sources: {section}\ncatalog: {catalog}\nmeasurements: {{cpu: }}\n")

    def tick() -> str:
        repository = (definitions := build_definitions(load_lake(file))).get_repository_def()
        sensor = repository.get_sensor_def("discovery")
        with dg.build_sensor_context(instance, repository_def=repository, resources=definitions.resources) as context:
            return str(sensor.evaluate_tick(context).skip_message)

    with dg.DagsterInstance.ephemeral() as instance:
        assert "nothing new" in tick()
        create_database(database, "found_a")
        assert "new databases: plant/found_a; appeared: found_a.cpu" in tick()
        drop_database(database, "found_a")
        assert "vanished: found_a.cpu" in tick()
    assert [each.table_name for each in load_lake(file).measurements] == ["found_a.cpu"]


def create_database(database: ServedDatabase, name: str) -> None:
    """Make a database, or bucket, with a point."""
    server, point = database.server, f"cpu v=1 {START_NS}".encode()
    if server.options["type"] == "influxdb1":
        server.query(f'CREATE DATABASE "{name}"')
        server.request(f"/write?db={name}", point)
        return
    org = json.loads(server.request("/api/v2/orgs"))["orgs"][0]["id"]
    server.request("/api/v2/buckets", json.dumps({"name": name, "orgID": org}).encode())
    server.request(f"/api/v2/write?org={ORG}&bucket={name}", point)


def drop_database(database: ServedDatabase, name: str) -> None:
    """Remove a database, or bucket."""
    server = database.server
    if server.options["type"] == "influxdb1":
        server.query(f'DROP DATABASE "{name}"')
        return
    assert name != BUCKET
    [bucket] = json.loads(server.request(f"/api/v2/buckets?name={name}"))["buckets"]
    request = urllib.request.Request(
        f"{server.url}/api/v2/buckets/{bucket['id']}",
        headers={"Authorization": f"Token {database.token}"},
        method="DELETE",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 204
