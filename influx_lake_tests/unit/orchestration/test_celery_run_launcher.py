"""Whether a run lives, as Celery's workers tell, or nobody tells."""

from __future__ import annotations

import threading

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

pytest.importorskip("dagster_celery", reason="needs the extra celery")

from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from influx_lake.orchestration import celery_run_launcher
from influx_lake.orchestration.celery_run_launcher import WatchingCeleryRunLauncher

PATIENCE = 60
NOWHERE = "redis://127.0.0.1:1/0"


@dg.job
def nothing() -> None:
    """Has no ops."""


def launcher_at(broker: str, instance: dg.DagsterInstance) -> WatchingCeleryRunLauncher:
    launcher = WatchingCeleryRunLauncher(
        default_queue="dagster", broker=broker, backend="cache+memory://", patience_seconds=PATIENCE
    )
    launcher.register_instance(instance)
    return launcher


def started(instance: dg.DagsterInstance, task: str) -> dg.DagsterRun:
    return instance.create_run_for_job(
        nothing, status=dg.DagsterRunStatus.STARTED, tags={DAGSTER_CELERY_TASK_ID_TAG: task}
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(celery_run_launcher, "monotonic", lambda: now[0])
    monkeypatch.setattr(celery_run_launcher, "_ANSWER_SECONDS", 2)
    return now


def _leave_logging(**settings: object) -> None:
    """Do nothing."""


@pytest.mark.slow
def test_a_run_lives_as_long_as_a_worker_has_it(instance: dg.DagsterInstance, clock: list[float]) -> None:
    launcher = launcher_at("memory://", instance)
    begun, ended = threading.Event(), threading.Event()

    @launcher.celery.task(name="any")
    def work() -> None:
        begun.set()
        ended.wait(30)

    # A worker makes the process' logging its own, which other tests want as it was.
    setup_logging.connect(_leave_logging, weak=False)
    with start_worker(launcher.celery, pool="threads", perform_ping_check=False):
        task = work.apply_async(queue="dagster")
        run = started(instance, task.id)
        assert begun.wait(30)
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        clock[0] += 10 * PATIENCE
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        ended.set()
        task.get(timeout=30)
        clock[0] += PATIENCE
        # It may just have ended, and its last event be on its way.
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        clock[0] += PATIENCE
        found = launcher.check_run_worker_health(run)
        assert found.status is WorkerStatus.FAILED
        assert "no Celery worker has reported the run for 60 s" in str(found.msg)


def test_a_broker_that_is_away_ends_no_run(instance: dg.DagsterInstance, clock: list[float]) -> None:
    launcher = launcher_at(NOWHERE, instance)
    run = started(instance, "any")
    for _ in range(3):
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        clock[0] += PATIENCE


def test_what_has_ended_is_not_cancelled(instance: dg.DagsterInstance) -> None:
    launcher = launcher_at("memory://", instance)
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.SUCCESS)
    assert not launcher.terminate(run.run_id)
    assert not launcher.terminate("00000000-0000-0000-0000-000000000000")
