"""What the HTTP service is asked for, loaded by runs of Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.orchestration.tags import REASON, REQUEST
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.requested_lake import planned, requests_of, served
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import SensedLake
from testbed.waiting import wait_until

DAYS = {"measurements": ["cpu", "mem"], "start": "2026-01-01", "end": "2026-01-03"}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[SensedLake]:
    with Sandbox() as box, dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        lake = SensedLake(box, tmp_path, instance)
        lake.write(0, 1)
        yield lake


@pytest.mark.slow
def test_windows_are_loaded_by_runs_and_followed(lake: SensedLake) -> None:
    with served(lake) as (client, service):
        answer = client.post("/v1/windows", json=DAYS)
        location = answer.headers["location"]
        assert answer.json()["runner"] == "dagster"
        planned(client, location)
        (request,) = requests_of(lake)
        assert (request.tags[REQUEST], request.tags[REASON]) == (answer.json()["id"], "requested")
        lake.run_all([request])
        # A tick that comes again launches nothing twice.
        assert requests_of(lake) == []
        assert service.runs is not None
        service.runs.follow(service.journal)
        found = client.get(location).json()
    assert (found["state"], found["windows"], found["rows"]) == ("done", {"done": 4, "total": 4}, lake.rows() * 2)
    assert all(each["facts"]["run_id"] and each["facts"]["snapshot_id"] for each in found["items"])


@pytest.mark.slow
def test_the_plugins_request_is_answered_when_its_runs_are_done(lake: SensedLake) -> None:
    body = {"measurement": "cpu", "catalog_configs": {}, "backfill_end": "2026-01-03T00:00:00Z", "batch_size": "1h"}
    path, headers = "/api/v3/engine/replicate", {"Idempotency-Key": "a"}
    with served(lake) as (client, service):
        location = client.post(f"{path}?wait=false", json=body, headers=headers).headers["location"]
        planned(client, location)
        # Whoever asked is told at once that the runs do not do it in batches of an hour.
        [remark] = client.get(location).json()["result"]["remarks"]
        assert remark.startswith("batch_size (1h) decides nothing: runs of Dagster load whole partitions")
        lake.run_all(requests_of(lake))
        assert service.runs is not None
        service.runs.follow(service.journal)
        response = client.post(path, json=body, headers=headers).json()
        again = client.post(path, json=body | {"batch_size": "1d"}, params={"wait": "false"}).headers["location"]
        planned(client, again)
        assert client.get(again).json()["result"] is None
    assert response["summary"]["remarks"] == [remark]
    assert response["summary"]["total_written_records"] == lake.rows()
    assert response["summary"]["total_batches"] == 2
    assert "'total_batches': 2" in response["message"]


def test_a_tick_that_is_done_twice_names_the_same_run(lake: SensedLake) -> None:
    with served(lake) as (client, _):
        planned(client, client.post("/v1/windows", json=DAYS).headers["location"])
        first, again = requests_of(lake), requests_of(lake)
    assert [each.run_key for each in first] == [each.run_key for each in again]


@pytest.mark.slow
def test_why_a_run_failed_is_reported(lake: SensedLake) -> None:
    with served(lake) as (client, service):
        location = client.post("/v1/windows", json=DAYS | {"measurements": ["cpu"]}).headers["location"]
        planned(client, location)
        (request,) = requests_of(lake)
        lake.box.stop()
        assert not lake.run(request).success
        assert service.runs is not None
        service.runs.follow(service.journal)
        found = client.get(location).json()
    assert (found["state"], found["windows"]) == ("failed", {"failed": 2, "total": 2})
    assert (found["error"]["status"], found["error"]["error"]) == (503, "SourceUnavailable")


def test_what_waits_is_taken_back(lake: SensedLake) -> None:
    with served(lake) as (client, service):
        location = client.post("/v1/windows", json=DAYS).headers["location"]
        planned(client, location)
        client.delete(location)
        assert requests_of(lake) == []
        assert service.runs is not None
        service.runs.follow(service.journal)
        assert client.get(location).json()["state"] == "canceled"


def test_what_was_dagsters_can_be_taken_back_without_it(lake: SensedLake) -> None:
    with served(lake) as (client, _):
        location = client.post("/v1/windows", json=DAYS).headers["location"]
        planned(client, location)
    with served(lake, dagster=False) as (client, _):
        assert client.get(location).json()["state"] == "running"
        client.delete(location)
        wait_until(lambda: client.get(location).json()["state"] == "canceled", "it is taken back", 30)


def test_a_daemon_that_is_silent_is_reported(lake: SensedLake) -> None:
    with served(lake) as (client, _):
        found = client.get("/ready")
    assert found.status_code == 503
    assert [each["name"] for each in found.json()["checks"] if not each["ready"]] == ["dagster"]


def test_no_journal_is_made_where_nothing_was_served(lake: SensedLake) -> None:
    assert requests_of(lake) == []
    assert not (lake.folder / ".lake" / "requests.db").exists()
