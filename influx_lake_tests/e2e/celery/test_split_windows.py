"""A window that several runs load, on Celery's workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.config.values.windows import Window
from influx_lake.orchestration.splitting.part_requests import PART
from influx_lake_tests.e2e.celery.celery_lake import DATABASE, Fleet, all_days, fleet, status_of
from influx_lake_tests.e2e.dagster_site import wait_until

pytestmark = pytest.mark.servers

PARTS = 8
JOB = "write_parts_default"


@pytest.fixture
def shared(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with fleet(
        tmp_path, postgres, monkeypatch, measurements=1, days=1, windows_per_run=1, partition="every: day, split: 3h"
    ) as found:
        found.sandbox.faults.batch_delay = 3.0
        yield found


def part_runs(found: Fleet, *statuses: dg.DagsterRunStatus) -> Sequence[dg.DagsterRun]:
    return found.instance.get_runs(dg.RunsFilter(job_name=JOB, statuses=list(statuses) or None))


@pytest.mark.timeout(600)
def test_two_workers_load_one_window(shared: Fleet) -> None:
    for worker in ("w1", "w2"):
        shared.workers.start(worker)
    backfill = shared.site.backfill([DATABASE, "m0"], partitions=all_days(1))
    ended = shared.site.ended(backfill, seconds=400)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    assert [each["status"] for each in ended["runs"]] == ["SUCCESS"]
    helped = {Window.parse(run.tags[PART]) for run in part_runs(shared, dg.DagsterRunStatus.SUCCESS)}
    assert 1 <= len(helped) < PARTS
    wait_until(lambda: all(run.is_finished for run in part_runs(shared)), seconds=60, what="the end of all runs")
    assert shared.instance.get_materialized_partitions(dg.AssetKey([DATABASE, "m0"])) == set(all_days(1))
    shared.sandbox.faults.clear()
    assert shared.verify("m0") == 0


@pytest.mark.timeout(600)
def test_a_worker_dies_while_it_writes_a_part(shared: Fleet) -> None:
    shared.workers.start("w1")
    backfill = shared.site.backfill([DATABASE, "m0"], partitions=all_days(1))
    wait_until(lambda: part_runs(shared), seconds=120, what="runs for parts")
    shared.workers.start("w2")
    begun = dg.DagsterRunStatus.STARTED
    [lost] = wait_until(lambda: part_runs(shared, begun), seconds=120, what="a run that writes a part")
    shared.workers.kill("w2")
    shared.sandbox.faults.clear()
    ended = shared.site.ended(backfill, seconds=400)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    wait_until(status_of(shared.instance, lost.run_id), seconds=60, what="the end of the lost run")
    assert shared.verify("m0") == 0
