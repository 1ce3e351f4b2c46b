"""Retention: drops files all of whose rows are older than they are to be kept, by their metadata alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import Kind
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.units import counted, format_duration
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window, utc_text
from influx_lake.errors import TooMuchAtOnce
from influx_lake.iceberg.columns.known_columns import as_known, time_field
from influx_lake.iceberg.commit.commit_plan import FileChange, NothingNew
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.commit.maintenance_commit import MaintenanceCommit
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.task import Maintained, TableTask, figures_of, open_actual
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.planning import in_windows, time_bounds
from influx_lake.iceberg.scan.share_files import only_of_share
from influx_lake.iceberg.table_state import TableState
from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)
"""Earlier than any time in InfluxDB; pyiceberg reads no year of fewer digits."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long the rows of a measurement are kept.

    Attributes:
        since: The time from which on rows are kept, at a given time: the start of a window; None: all are.
        most: The longest range of time that may be dropped at once.
        share: The measurement, where the table holds several.
    """

    since: Callable[[datetime], datetime | None]
    most: timedelta
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class _KeptSince:
    """From when on rows are kept.

    Attributes:
        moment: The time from which on rows are kept.
        most: The longest range of time that may be dropped at once.
        share: The measurement, where the table holds several.
    """

    moment: datetime
    most: timedelta
    share: Share | None = None

    @property
    def past(self) -> Window:
        """The time before `moment`."""
        return Window(_EARLIEST, self.moment)


def retention(task: TableTask, options: Sequence[Keeping]) -> Maintained:
    """Drop the files of a table all of whose rows are older than they are kept; that time is no longer loaded.

    Old rows in a file that also has younger ones stay until those are old too: no file is rewritten. The files are
    deleted when earlier snapshots expire.

    Raises:
        TooMuchAtOnce: It would drop a longer range of time than allowed at once; a dry run tells what.
        LakeError: Nothing was done.
    """
    table = open_actual(task)
    before = figures_of(task, table)
    kept = [
        _KeptSince(moment, each.most, each.share) for each in options if (moment := each.since(task.now)) is not None
    ]
    plan = _Plan(task, kept)
    change = plan.plan(table)
    after, snapshot_id = table, None
    if not task.dry_run and not change.nothing_new:
        commit = MaintenanceCommit(
            task.catalog,
            task.target,
            table,
            Kind.RETENTION,
            task.run_id,
            plan,
            operation=None,
            state=lambda share, state: _without(state, _of(kept, share)),
            guard=plan.check,
        )
        try:
            done = Committer(commit).run()
        except NothingNew:
            change = FileChange()
        else:
            change, after, snapshot_id = done.change, done.table, done.snapshot_id
    return Maintained(
        kind=Kind.RETENTION,
        table=task.target.name,
        before=before,
        after=before if task.dry_run else figures_of(task, after),
        done={
            "files_dropped": len(change.removed),
            "rows_dropped": sum(file.record_count for file in change.removed),
            "bytes_dropped": sum(file.file_size_in_bytes for file in change.removed),
        },
        dry_run=task.dry_run,
        snapshot_id=snapshot_id,
        left=plan.too_much(change) if task.dry_run else (),
        files=tuple(file.file_path for file in change.removed[:100]),
    )


@dataclass(slots=True)
class _Plan:
    task: TableTask
    kept: Sequence[_KeptSince]
    table: Table | None = None

    def plan(self, table: Table) -> FileChange:
        """Remove the files that lie entirely in the past."""
        self.table = table
        with catalog_errors(f"find the files of {self.task.target.name} that are not kept any longer"):
            removed = {file.file_path: file for kept in self.kept for file in self._past(table, kept)}
        return FileChange(removed=tuple(removed.values()), nothing_new=not removed)

    def written(self) -> list[DataFile]:
        """No file is written."""
        return []

    def check(self, change: FileChange) -> None:
        """Refuse a change that drops a longer range of time than allowed at once."""
        for said in self.too_much(change):
            raise TooMuchAtOnce(
                f"{self.task.target.name}: {said}",
                remedy="See what would go: influx-lake maintain --only retention --dry-run. If it is to go, raise "
                "`retention.most_per_run` for once; if not, correct `retention.keep`",
            )

    def too_much(self, change: FileChange) -> tuple[str, ...]:
        """Describe what exceeds the range of time that may be dropped at once; empty where nothing does."""
        if self.table is None or not change.removed:
            return ()
        time_id = time_field(as_known(self.table), self.task.target.time_column).field_id
        found = [bounds for file in change.removed if (bounds := time_bounds(file, time_id)) is not None]
        first, last = min(each[0] for each in found), max(each[1] for each in found)
        most = min(kept.most for kept in self.kept)
        if last - first < most // MICROSECOND:
            return ()
        rows = sum(file.record_count for file in change.removed)
        since = EPOCH + max(first, (_EARLIEST - EPOCH) // MICROSECOND) * MICROSECOND
        return (
            f"{counted(rows, 'row')} of {utc_text(since)} and later, before "
            f"{utc_text(max(kept.moment for kept in self.kept))}, would be dropped: more time than the "
            f"{format_duration(most)} that may go at once",
        )

    def _past(self, table: Table, kept: _KeptSince) -> Iterator[DataFile]:
        known, column = as_known(table, share=kept.share), self.task.target.time_column
        time_id, is_of_share = time_field(known, column).field_id, only_of_share(known)
        for task in planned_files(known.scan(row_filter=in_windows([kept.past], known, column))):
            bounds = time_bounds(task.file, time_id)
            if bounds is not None and bounds[1] < kept.past.end_us and is_of_share(task.file):
                yield task.file


def _of(kept: Sequence[_KeptSince], share: str | None) -> _KeptSince | None:
    """The retention of a measurement; of the table's only one without `share`."""
    of_share = (each for each in kept if share is None or (each.share is not None and each.share.value == share))
    return next(of_share, None)


def _without(state: TableState, kept: _KeptSince | None) -> TableState:
    """The recorded state, without the time that is not kept."""
    if kept is None:
        return state

    def rest(windows: tuple[Window, ...]) -> tuple[Window, ...]:
        return Coverage(windows).losing([kept.past]).intervals

    return replace(
        state,
        coverage=state.coverage.losing([kept.past]),
        lost=rest(state.lost),
        altered=rest(state.altered),
        added=rest(state.added),
        outdated=rest(state.outdated),
    )
