"""Shares the parts of a run's window with other runs, without waiting for runs that have not begun."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config.values.windows import Window
from influx_lake.orchestration.splitting.part_requests import PART, PART_OF, Wanted
from influx_lake.replication.splitting.helpers import PartsWanted

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL_SECONDS = 2.0
WAITING_SECONDS = 60.0
"""How long a started run may take to begin its part, in seconds; after that it waits for a slot of a pool, which this
run may hold.
"""

_NOT_BEGUN = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
)
_AT_WORK = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
_ENDING = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)

log = logging.getLogger("influx_lake.orchestration")


@dataclass(frozen=True, slots=True)
class RunHelpers:
    """Other runs, which the sensor `parts` starts for this one.

    This run writes parts too, from the last one on; when no others are left, it takes back parts whose runs still wait.
    So a window is loaded whatever the limits of runs and pools are, and whether the daemon runs or not.

    Attributes:
        instance: Dagster's instance.
        run_id: This run.
        measurement: The measurement's full name.
    """

    instance: dg.DagsterInstance
    run_id: str
    measurement: str

    @contextmanager
    def help(self, wanted: PartsWanted) -> Iterator[Iterator[Window]]:
        """See `Helpers`. Leaving the context ends the unfinished runs."""
        asked = Wanted(uuid.uuid4().hex[:12], self.measurement, wanted.window, (), wanted.with_nanoseconds)
        sharing = _Sharing(self.instance, self.run_id, asked, list(wanted.parts))
        sharing.tell()
        try:
            yield sharing.ours()
        finally:
            sharing.end()


@dataclass(slots=True)
class _Sharing:
    """Attributes:
    left: The parts that are not known to be written and that this run has not begun.
    """

    instance: dg.DagsterInstance
    run_id: str
    asked: Wanted
    left: list[Window]
    _seen: dict[str, float] = field(default_factory=dict)

    def tell(self) -> None:
        """Publish the parts that are left for others, as tags of this run."""
        self.instance.add_run_tags(self.run_id, self.asked.tags(self.left))

    def ours(self) -> Iterator[Window]:
        """Yield the parts that this run has to write."""
        while self.left:
            self._check()
            runs = self._runs()
            done = [part for part in self.left if part in runs and runs[part].is_success]
            self.left = [part for part in self.left if part not in done]
            if done:
                log.info("%s: %d parts are left, or being written", self.asked.window, len(self.left))
            if not self.left:
                break
            part = self._free(runs)
            if part is None:
                time.sleep(POLL_SECONDS)
                continue
            self.left.remove(part)
            self.tell()
            if part in runs:
                self._end(runs[part])
            yield part

    def end(self) -> None:
        """End the unfinished runs, and let no more start."""
        self.left = []
        self.tell()
        for run in self._runs().values():
            self._end(run)

    def _free(self, runs: Mapping[Window, dg.DagsterRun]) -> Window | None:
        """The next part for this run: one that failed, else one without a run, else one whose run has not begun."""

        def last(parts: Sequence[Window]) -> Window | None:
            return parts[-1] if parts else None

        return (
            last([part for part in self.left if part in runs and runs[part].is_finished])
            or last([part for part in self.left if part not in runs])
            or last([part for part in self.left if runs[part].status in _NOT_BEGUN])
            or last([part for part in self.left if self._waits(runs[part])])
        )

    def _waits(self, run: dg.DagsterRun) -> bool:
        """Whether a started run has not begun its part for a while."""
        if run.status is not dg.DagsterRunStatus.STARTED:
            return False
        since = self._seen.setdefault(run.run_id, time.monotonic())
        if time.monotonic() - since < WAITING_SECONDS:
            return False
        begun = self.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_START, limit=1)
        return not begun.records

    def _runs(self) -> dict[Window, dg.DagsterRun]:
        """The latest run of each part."""
        records = self.instance.get_run_records(dg.RunsFilter(tags={PART_OF: self.asked.id}))
        runs = [record.dagster_run for record in reversed(records)]
        return {Window.parse(run.tags[PART]): run for run in runs}

    def _check(self) -> None:
        """Stop if this run was canceled: Dagster does not interrupt threads.

        Raises:
            DagsterExecutionInterruptedError: The run was canceled.
        """
        run = self.instance.get_run_by_id(self.run_id)
        if run is not None and run.status in _ENDING:
            raise dg.DagsterExecutionInterruptedError

    def _end(self, run: dg.DagsterRun) -> None:
        if run.status in _NOT_BEGUN:
            self.instance.report_run_canceled(run, message="The part is written by the run that asked for it.")
        elif run.status in _AT_WORK:
            self.instance.run_launcher.terminate(run.run_id)
