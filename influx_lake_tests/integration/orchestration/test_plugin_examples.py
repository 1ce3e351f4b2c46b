"""The three examples of the README of InfluxData's plugin, as requests, done by the service and by Dagster's runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.iceberg.catalogs.rest_catalog import rest_catalog
from influx_lake_tests.integration.iceberg.stores.versitygw import versitygw
from influx_lake_tests.integration.orchestration.automated_lake import DATABASE
from influx_lake_tests.integration.orchestration.requested_lake import planned, requests_of, served
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import SensedLake
from influx_lake_tests.integration.serve.served_lake import followed
from testbed.local_catalog import local_properties

PATH = "/api/v3/engine/replicate"
HOUR_NS = 3_600 * 10**9
FIRST_NS = 1_704_067_200 * 10**9  # 2024-01-01
Catalog = dict[str, Any]


@contextmanager
def rest(folder: Path) -> Iterator[Catalog]:
    with rest_catalog(local_properties(folder)) as uri:
        yield {"uri": uri}


@contextmanager
def sqlite(folder: Path) -> Iterator[Catalog]:
    yield {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db"}


@contextmanager
def s3(folder: Path) -> Iterator[Catalog]:
    store = folder / "store"
    store.mkdir()
    with versitygw(store) as properties:
        yield {
            "type": "sql",
            "uri": f"sqlite:///{folder}/catalog.db",
            "warehouse": f"{properties['warehouse']}/",
            "s3.endpoint": properties["s3.endpoint"],
            "s3.access-key-id": properties["s3.access-key-id"],
            "s3.secret-access-key": properties["s3.secret-access-key"],
            "s3.path-style-access": True,
        }


@dataclass(frozen=True)
class Example:
    """An example, and what it promises.

    Attributes:
        asked: The request, without its catalog.
        declared: What lake.yaml says of the measurement.
        catalog: Starts the catalog that is asked for.
        line: A point of an hour, in line protocol.
        hours: How many of them the source has.
        rows: How many of them the table gets.
        columns: And with which columns.
    """

    asked: dict[str, Any]
    declared: dict[str, Any]
    catalog: Callable[[Path], AbstractContextManager[Catalog]]
    line: Callable[[int], str]
    hours: int
    rows: int
    columns: tuple[str, ...]

    @property
    def table(self) -> str:
        return f"{self.asked.get('namespace', 'default')}.{self.asked.get('table_name', self.asked['measurement'])}"


EXAMPLES = {
    # The last 24 hours of cpu, by an hourly trigger.
    "1": Example(
        asked={
            "measurement": "cpu",
            "backfill_start": "2024-01-01T00:00:00+00:00",
            "backfill_end": "2024-01-02T00:00:00+00:00",
        },
        declared={"namespace": "default"},
        catalog=rest,
        line=lambda hour: f"cpu,host=server1 usage_user={hour}.2,usage_system=12.1",
        hours=30,
        rows=24,
        columns=("host", "time", "usage_system", "usage_user"),
    ),
    # A week of chosen columns, in batches of twelve hours.
    "2": Example(
        asked={
            "measurement": "temperature",
            "included_fields": ["temp_celsius", "humidity", "sensor_id"],
            "namespace": "weather",
            "table_name": "temperature_history",
            "batch_size": "12h",
            "backfill_start": "2024-01-01T00:00:00+00:00",
            "backfill_end": "2024-01-07T00:00:00+00:00",
        },
        declared={
            "namespace": "weather",
            "table": "temperature_history",
            "fields": {"include": ["temp_celsius", "humidity"]},
            "tags": {"include": ["sensor_id"]},
            "duplicates": "keep",
        },
        catalog=sqlite,
        line=lambda hour: f"temperature,sensor_id=s1,room=r{hour % 2} temp_celsius={hour}.5,humidity=40i,pressure=1i",
        hours=8 * 24,
        rows=6 * 24,
        columns=("humidity", "sensor_id", "temp_celsius", "time"),
    ),
    # The last hour, into S3.
    "3": Example(
        asked={
            "measurement": "sensor_data",
            "namespace": "iot",
            "table_name": "sensors",
            "backfill_start": "2024-01-01T05:00:00+00:00",
            "backfill_end": "2024-01-01T06:00:00+00:00",
        },
        declared={"namespace": "iot", "table": "sensors", "partition": {"every": "hour", "start": "2024-01-01"}},
        catalog=s3,
        line=lambda hour: f"sensor_data,sensor=s{hour} reading={hour}i",
        hours=24,
        rows=1,
        columns=("reading", "sensor", "time"),
    ),
}
PARAMETERS = [
    pytest.param(example, by_dagster, id=f"{name} by {'dagster' if by_dagster else 'the service'}", marks=marks)
    for name, example in EXAMPLES.items()
    for marks in [[pytest.mark.servers] if name == "3" else [pytest.mark.slow]]
    for by_dagster in (False, True)
]


@pytest.mark.parametrize(("example", "by_dagster"), PARAMETERS)
def test_an_example_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Example, *, by_dagster: bool
) -> None:
    with (
        Sandbox() as box,
        dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance,
        example.catalog(tmp_path) as own,
    ):
        box.write(
            DATABASE, "\n".join(f"{example.line(hour)} {FIRST_NS + hour * HOUR_NS}" for hour in range(example.hours))
        )
        catalog = {"warehouse": f"{tmp_path}/warehouse"} | own if own.get("type") == "sql" else {"type": "rest"} | own
        for name in catalog.keys() & {"s3.access-key-id", "s3.secret-access-key"}:
            variable = name.upper().replace(".", "_").replace("-", "_")
            monkeypatch.setenv(variable, catalog[name])
            catalog[name] = f"${{{variable}}}"
        measurements = {example.asked["measurement"]: {"partition": {"start": "2024-01-01"}} | example.declared}
        lake = SensedLake(box, tmp_path, instance, {"catalog": catalog, "measurements": measurements})
        with served(lake, dagster=by_dagster) as (client, service):
            for _ in range(2):
                answer = client.post(f"{PATH}?wait=false", json=example.asked | {"catalog_configs": own})
                assert answer.status_code == 202, answer.text
                if by_dagster:
                    planned(client, answer.headers["location"])
                    [job] = [name for name in lake.repository.job_names if name.startswith("load_")]
                    runs = requests_of(lake)
                    assert runs
                    assert all(lake.run(each, job).success for each in runs)
                    assert service.runs is not None
                    service.runs.follow(service.journal)
                found = followed(client, answer)
                assert (found["state"], found["runner"]) == ("done", "dagster" if by_dagster else "service"), found
                assert found["rows"] == example.rows
                assert "test-secret" not in str(found)
        rows = open_catalog("lake", lake.lake.catalog.properties()).load_table(example.table).scan().to_arrow()
    assert (rows.num_rows, sorted(rows.column_names)) == (example.rows, list(example.columns))
