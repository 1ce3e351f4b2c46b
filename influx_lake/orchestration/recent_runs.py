"""Unfinished and recently failed runs of Dagster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.orchestration.dagster_internals import (
    AssetKeyPartitionKey,
    DagsterDefinitionChangedDeserializationError,
    requested_backfills,
)
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.tags import REASON, Reason, partitions_of
from influx_lake.replication.planning.due import DueWindow

if TYPE_CHECKING:
    from influx_lake.orchestration.dagster_internals import AssetBackfillData

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=2)
"""The longest pause before a failed window is retried; the first is a minute, and each doubles."""
_REMEMBERED = timedelta(hours=12)
_FAILED_RUNS = 1_000

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_FAILED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True, slots=True)
class _Span:
    """The partitions of an asset in a run, from the first to the last."""

    first: str
    last: str
    ended: datetime | None = None

    def holds(self, key: str) -> bool:
        return self.first <= key <= self.last


@dataclass(frozen=True)
class RecentRuns:
    """The runs that matter for planning the next ones.

    Attributes:
        now: The present.
        unfinished: The unfinished runs: the reason in their tags, and their assets.
    """

    now: datetime
    unfinished: Sequence[tuple[str | None, frozenset[dg.AssetKey]]] = ()
    _busy: dict[dg.AssetKey, list[_Span]] = field(default_factory=dict)
    _failed: dict[dg.AssetKey, list[_Span]] = field(default_factory=dict)
    _backfills: Sequence[AssetBackfillData] = ()

    @classmethod
    def of(
        cls, instance: dg.DagsterInstance, now: datetime, repository: dg.RepositoryDefinition | None = None
    ) -> RecentRuns:
        """Query an instance: twice for runs and once for backfills, however many measurements there are.

        Args:
            instance: Dagster's instance.
            now: The present.
            repository: The assets, to include backfills that have not created their runs yet; None: these are not
                included.
        """
        unfinished = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
        failed = instance.get_run_records(
            dg.RunsFilter(statuses=_FAILED, updated_after=now - _REMEMBERED), limit=_FAILED_RUNS
        )
        return cls(
            now,
            [(record.dagster_run.tags.get(REASON), _assets(record.dagster_run)) for record in unfinished],
            _spans(unfinished),
            _spans(failed),
            _open_backfills(instance, repository),
        )

    def started_for(self, reason: Reason, measurements: Iterable[Measurement]) -> int:
        """The number of unfinished runs for a reason that load any of the measurements."""
        assets = {asset_key(measurement) for measurement in measurements}
        return sum(found == reason and not assets.isdisjoint(loaded) for found, loaded in self.unfinished)

    def is_busy(self, due: DueWindow) -> bool:
        """Whether a run or a backfill is loading the window, or will."""
        if not (self._busy or self._backfills):
            return False
        asset = asset_key(due.measurement)
        if any(span.holds(due.key) for span in self._busy.get(asset, ())):
            return True
        return any(_targets(backfill, asset, due.key) for backfill in self._backfills)

    def failures(self, due: DueWindow) -> int:
        """How many runs with the window failed recently."""
        return len(self._failures(due))

    def is_pausing(self, due: DueWindow) -> bool:
        """Whether the window failed, and its pause has not passed."""
        ends = [span.ended for span in self._failures(due) if span.ended is not None]
        return bool(ends) and self.now < max(ends) + pause_after(len(ends))

    def _failures(self, due: DueWindow) -> list[_Span]:
        if not self._failed:
            return []
        return [span for span in self._failed.get(asset_key(due.measurement), ()) if span.holds(due.key)]


def pause_after(failures: int) -> timedelta:
    """The pause before a window is retried that failed a number of times."""
    doublings = min(failures - 1, 16)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def is_elsewhere(run: dg.DagsterRun, location: str | None) -> bool:
    """Whether a run belongs to another code location; false where that is not known."""
    origin = run.remote_job_origin
    own = origin.repository_origin.code_location_origin.location_name if origin else None
    return own is not None and location is not None and own != location


def _assets(run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    return frozenset(run.asset_selection or ())


def _spans(records: Iterable[dg.RunRecord]) -> dict[dg.AssetKey, list[_Span]]:
    spans: dict[dg.AssetKey, list[_Span]] = defaultdict(list)
    for record in records:
        if (partitions := partitions_of(record.dagster_run)) is None:
            continue
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp
        span = _Span(*partitions, ended if ended.tzinfo else ended.replace(tzinfo=UTC))
        for asset in _assets(record.dagster_run):
            spans[asset].append(span)
    return spans


def _open_backfills(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition | None
) -> list[AssetBackfillData]:
    if repository is None:
        return []
    found = []
    for backfill in requested_backfills(instance):
        if backfill.is_asset_backfill:
            try:
                # Dagster makes the graph when it is asked for: a second for 10,000 measurements.
                found.append(backfill.get_asset_backfill_data(repository.asset_graph))
            except DagsterDefinitionChangedDeserializationError:
                # Its assets or partitions were changed since; Dagster itself ends such a backfill.
                continue
    return found


def _targets(backfill: AssetBackfillData, asset: dg.AssetKey, key: str) -> bool:
    partition = AssetKeyPartitionKey(asset, key)
    return (
        partition in backfill.target_subset
        and partition not in backfill.materialized_subset
        and partition not in backfill.failed_and_downstream_subset
    )
