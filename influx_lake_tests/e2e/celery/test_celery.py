"""Runs on Celery's workers: of a backfill nothing is lost or doubled when workers, the broker or the source go away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from influx_lake_tests.e2e.celery.celery_lake import DATABASE, Fleet, all_days, fleet, status_of
from influx_lake_tests.e2e.dagster_site import wait_until
from influx_lake_tests.e2e.runs_at_work import half_done_load

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Fleet]:
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        fleet(
            tmp_path_factory.mktemp("fleet"), postgres, monkeypatch, measurements=3, days=8, windows_per_run=8
        ) as found,
    ):
        found.sandbox.faults.batch_delay = 2.0
        yield found


@pytest.mark.timeout(400)
def test_a_worker_dies_and_another_comes(at_work: Fleet) -> None:
    at_work.workers.start("w1")
    backfill = at_work.site.backfill([DATABASE, "m0"], partitions=all_days(8))
    lost = half_done_load(at_work.instance)
    at_work.workers.kill("w1")
    at_work.workers.start("w2")
    failed = wait_until(status_of(at_work.instance, lost.run_id), seconds=90, what="the end of the lost run")
    assert failed is dg.DagsterRunStatus.FAILURE
    assert "no Celery worker" in at_work.site.log(lost.run_id)
    ended = at_work.site.ended(backfill, seconds=180)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    assert at_work.verify("m0") == 0


@pytest.mark.timeout(400)
def test_a_broker_that_forgets_everything_ends_no_run(at_work: Fleet) -> None:
    backfill = at_work.site.backfill([DATABASE, "m1"], partitions=all_days(8))
    half_done_load(at_work.instance)
    at_work.workers.lose_broker()
    ended = at_work.site.ended(backfill, seconds=180)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    assert [each["status"] for each in ended["runs"]] == ["SUCCESS"]
    assert at_work.verify("m1") == 0


@pytest.mark.timeout(400)
def test_a_run_is_cancelled(at_work: Fleet) -> None:
    at_work.site.backfill([DATABASE, "m2"], partitions=all_days(8))
    load = half_done_load(at_work.instance)
    assert at_work.instance.run_launcher.terminate(load.run_id)
    ended = wait_until(status_of(at_work.instance, load.run_id), seconds=60, what="the end of the cancelled run")
    assert ended is dg.DagsterRunStatus.CANCELED
    assert not at_work.instance.run_launcher.terminate(load.run_id)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_backfill_of_eight_measurements_while_workers_come_and_go(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"m{number}" for number in range(8)]
    with fleet(tmp_path, postgres, monkeypatch, measurements=8, days=50, windows_per_run=10) as busy:
        busy.sandbox.faults.batch_delay = 0.2
        for worker in ("w1", "w2"):
            busy.workers.start(worker)
        backfill = busy.site.backfill(*([DATABASE, name] for name in names), partitions=all_days(50))
        half_done_load(busy.instance)
        busy.workers.kill("w1")
        busy.workers.start("w3")
        wait_until(lambda: loaded_windows(busy) >= 100, seconds=900, what="a quarter of the windows")
        busy.sandbox.faults.unavailable = True
        threading.Event().wait(60)
        busy.sandbox.faults.clear()
        ended = busy.site.ended(backfill, seconds=2_400)
        assert ended["status"] == "COMPLETED_SUCCESS", ended
        assert loaded_windows(busy) == 400
        assert busy.verify(*names) == 0


def loaded_windows(found: Fleet) -> int:
    """How many windows Dagster knows to be loaded."""
    keys = [dg.AssetKey([DATABASE, f"m{number}"]) for number in range(8)]
    return sum(len(found.instance.get_materialized_partitions(key)) for key in keys)
