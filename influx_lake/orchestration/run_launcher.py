"""A run launcher that detects runs whose process is gone."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

from influx_lake.orchestration.dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClassData,
    DagsterUserCodeUnreachableError,
    WorkerStatus,
    current_runs,
)

if TYPE_CHECKING:
    from influx_lake.orchestration.dagster_internals import UserConfigSchema

PATIENCE_SECONDS = 120
"""How long a code server may be unreachable before its runs count as dead, in seconds: it may be busy or far away."""


_NOT_IMPLEMENTED = "UNIMPLEMENTED"


class WatchingRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, with which `run_monitoring` checks whether the process of a run is alive.

    The process of a run is a child of its code server. When it dies, the code server reports that; when both die with
    their machine or container, nobody does, and by default such a run counts as running for ever.
    """

    def __init__(
        self, inst_data: ConfigurableClassData | None = None, patience_seconds: int = PATIENCE_SECONDS
    ) -> None:
        super().__init__(inst_data)
        self._patience = patience_seconds
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The options in dagster.yaml."""
        return {
            "patience_seconds": dg.Field(
                int,
                default_value=PATIENCE_SECONDS,
                description="How long a code server may be unreachable before its runs count as dead, in seconds.",
            )
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Create the launcher from dagster.yaml's options."""
        return cls(inst_data, **config_value)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always true."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Ask the run's code server whether it has its process."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server is not known")
        try:
            known = current_runs(client.get_current_runs())
        except DagsterUserCodeUnreachableError as error:
            return self._health_without_answer(run.run_id, error)
        self._silent_since.pop(run.run_id, None)
        if run.run_id in known:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server was restarted and does not know it")

    def _health_without_answer(self, run_id: str, error: DagsterUserCodeUnreachableError) -> CheckRunHealthResult:
        if _NOT_IMPLEMENTED in str(error):
            # `dagster code-server start` runs processes that it does not report.
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not report its runs")
        silent = monotonic() - self._silent_since.setdefault(run_id, monotonic())
        if silent < self._patience:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer")
        del self._silent_since[run_id]
        said = f"its code server has not answered for {silent:.0f} s, and its process is taken to be gone with it"
        return CheckRunHealthResult(WorkerStatus.FAILED, said)
