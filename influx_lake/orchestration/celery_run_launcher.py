"""A run launcher that gives runs to Celery's workers, and detects runs whose worker is gone.

It is a separate module because it needs the extra `celery`.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, cast

import dagster as dg
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from influx_lake.orchestration.dagster_internals import CheckRunHealthResult, ConfigurableClassData, WorkerStatus

if TYPE_CHECKING:
    from influx_lake.orchestration.dagster_internals import UserConfigSchema

PATIENCE_SECONDS = 120
"""How long no worker may report a run before the run counts as dead, in seconds."""
_ANSWER_SECONDS = 3
"""How long workers may take to answer, in seconds; live ones need less."""
_FRESH_SECONDS = 10
"""How long an answer is reused, in seconds: run monitoring asks for one run after the other."""


class WatchingCeleryRunLauncher(CeleryRunLauncher):
    """Dagster's launcher for Celery, with which `run_monitoring` checks whether a worker has the run.

    Dagster's own launcher reads Celery's results (dagster-celery 0.29.27). They stay `STARTED` for ever for a run whose
    worker was killed. With the default `rpc://` there are no results, so every run counts as dead at the first check;
    with Redis there are none from before its restart. This launcher asks the workers themselves, which answer as long
    as their pool consists of processes (`--pool prefork`, Celery's default).
    """

    def __init__(self, *, patience_seconds: int = PATIENCE_SECONDS, **settings: Any) -> None:
        super().__init__(**settings)
        self._patience = patience_seconds
        self._missing_since: dict[str, float] = {}
        self._tasks: frozenset[str] | None = None
        self._asked: float | None = None

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The options in dagster.yaml."""
        return {
            **cast("dict[str, Any]", super().config_type()),
            "patience_seconds": dg.Field(
                int,
                default_value=PATIENCE_SECONDS,
                description="How long no worker may report a run before the run counts as dead, in seconds.",
            ),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Create the launcher from dagster.yaml's options."""
        return cls(inst_data=inst_data, **config_value)

    def terminate(self, run_id: str) -> bool:
        """Cancel a run: Dagster shows it as being cancelled, and its worker interrupts it."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Ask the workers which of them has the run."""
        tasks = self._active_tasks()
        if tasks is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the broker does not answer")
        if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) in tasks:
            self._missing_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        missing = monotonic() - self._missing_since.setdefault(run.run_id, monotonic())
        if missing < self._patience:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no worker reports it")
        del self._missing_since[run.run_id]
        said = f"no Celery worker has reported the run for {missing:.0f} s: its process is taken to be gone"
        return CheckRunHealthResult(WorkerStatus.FAILED, said)

    def _active_tasks(self) -> frozenset[str] | None:
        """The ids of the tasks that workers execute; None where the broker cannot be reached."""
        if self._asked is None or monotonic() - self._asked > _FRESH_SECONDS:
            self._tasks = self._ask()
            self._asked = monotonic()
        return self._tasks

    def _ask(self) -> frozenset[str] | None:
        from kombu.exceptions import OperationalError

        try:
            answers = self.celery.control.inspect(timeout=_ANSWER_SECONDS).active() or {}
        except (OperationalError, OSError):
            return None
        return frozenset(task["id"] for tasks in answers.values() for task in tasks)
