"""Runs while they load windows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import dagster as dg

from influx_lake_tests.e2e.dagster_site import wait_until

_PID = re.compile(r"pid: (\d+)")
_FIRST_OF_SEVERAL = re.compile(r"window 1 of (?!1 )")


@dataclass(frozen=True)
class Load:
    """A run that has loaded some of its windows, and not all.

    Attributes:
        run_id: The run.
        pid: Its process.
    """

    run_id: str
    pid: int


def half_done_load(instance: dg.DagsterInstance, *, seconds: float = 180) -> Load:
    """Wait for a run that has loaded some of its windows, and not all."""

    def look() -> Load | None:
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            if not run.asset_selection:
                continue
            said = " ".join(entry.user_message for entry in instance.all_logs(run.run_id))
            if (pid := _PID.search(said)) and _FIRST_OF_SEVERAL.search(said):
                return Load(run.run_id, int(pid[1]))
        return None

    return wait_until(look, seconds=seconds, what="a run that loads windows")
