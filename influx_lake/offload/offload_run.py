"""Executes an off-load: proves, tags, records and deletes window by window, so that every point is always in source or
lake.

For each window, in this order: tag the snapshot that has it; record in the table that it is being deleted, so that
loads remove no rows of it from then on; compare source and lake value by value once more; delete at the source; check
what the source has left; record that it is deleted. After a crash in between, the next run continues: what the source
still has is deleted only where the lake has every value of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError, MeasurementNotFound, NotOffloadable, SourceError, naming
from influx_lake.iceberg.proofs.offloaded import Offloaded, offloaded_from
from influx_lake.iceberg.proofs.record import Proof
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.offload.conditions import WindowObjections, measurement_objection
from influx_lake.offload.planning import OffloadPlan
from influx_lake.offload.records import declare, finish, tag_snapshot, withdraw
from influx_lake.replication.changes.change import Change
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.late_after_offload import LatePoints, late_points
from influx_lake.replication.comparison.proving import unprovable
from influx_lake.replication.comparison.stored_digests import stored_digest
from influx_lake.replication.comparison.verify import compare_apart
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.removed.offloaded import check_held
from influx_lake.replication.window import replicate_window
from influx_lake.sources.deleting import Deletion
from influx_lake.sources.protocol import Source
from influx_lake.sources.window_counts import counts_of
from influx_lake.transforms import transformed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class Step(StrEnum):
    """The steps of an off-load, for progress."""

    TAGGED = "tagged"
    DECLARED = "declared"
    PROVED = "proved"
    DELETED = "deleted"
    SEEN_EMPTY = "seen empty"
    FINISHED = "finished"


class Outcome(StrEnum):
    """The outcome of off-loading a window."""

    DELETED = "deleted"
    """The source has none of the window's points any more, except those that arrived since."""
    REFUSED = "refused"
    """Nothing was deleted."""
    UNFINISHED = "unfinished"
    """Some points may be deleted; all of them are in the lake. The next run continues."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of off-loading a window.

    Attributes:
        window: The window.
        outcome: The outcome.
        rows: The window's row count in the lake.
        remark: Why it was not deleted, or another remark.
    """

    window: Window
    outcome: Outcome
    rows: int = 0
    remark: str = ""


@dataclass
class Offloading:
    """Off-loads windows of a measurement.

    Attributes:
        lake: The lake.
        catalog: Its catalog.
        source: The measurement's source.
        deletion: The deleting API of the source.
        measurement: The measurement.
        run_id: The run, recorded in snapshots that load late points.
        now: The present.
        pending: Gives the changes that the source has reported by now and that are not loaded yet.
        on_step: Called with each window and step done.
    """

    lake: Lake
    catalog: Catalog
    source: Source
    deletion: Deletion
    measurement: Measurement
    run_id: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    pending: Callable[[], Iterable[Change]] = tuple
    on_step: Callable[[Step, Window], None] = lambda step, window: None

    def run(self, plan: OffloadPlan) -> Iterator[Result]:
        """Execute a plan, first the windows that an earlier run began.

        Yields:
            What became of each window.

        Raises:
            LakeError: The catalog, the table or the source fails; the next run continues what was begun.
        """
        if (why := measurement_objection(self.lake, self.measurement)) is not None:
            raise NotOffloadable(f"nothing is deleted: {why}", measurement=self.measurement.name)
        for window in plan.unfinished:
            with naming(self.measurement.name, window):
                yield self.go_on(window)
        for window, _ in plan.windows:
            with naming(self.measurement.name, window):
                yield self.delete(window)

    def delete(self, window: Window) -> Result:
        """Off-load a proved window."""
        table = self._table()
        proof = _proof_of(table, window)
        if proof is None or (why := self._objection(table, window)) is not None:
            return Result(window, Outcome.REFUSED, remark="it is not proved any more" if proof is None else str(why))
        entry = self._described(table, window, proof.key, proof.left_out)
        declare(self.catalog, self.measurement, entry)
        self.on_step(Step.DECLARED, window)
        try:
            why = self._difference(window, entry)
        except LakeError:
            # Nothing was deleted yet.
            withdraw(self.catalog, self.measurement, window)
            raise
        if why is not None:
            withdraw(self.catalog, self.measurement, window)
            return Result(window, Outcome.REFUSED, remark=why)
        self.on_step(Step.PROVED, window)
        return self._deleted(window, entry)

    def go_on(self, window: Window) -> Result:
        """Continue a window whose deletion began: late points in the source are loaded before they are deleted."""
        table = self._table()
        entry = next((each for each in offloaded_from(table) if each.window == window and not each.is_done), None)
        if entry is None:
            return Result(window, Outcome.REFUSED, remark="nothing of it was begun")
        check_held(self.measurement, table, window)
        rows_left = self._rows_at_source(window)
        if rows_left == 0:
            return self._finished(window, entry)
        if self._late(window).missing:
            self._load(window)
            if missing := self._late(window).missing:
                return self._unfinished(window, entry, f"the lake lacks {counted(missing, 'row')} of the source still")
        table = self._table()
        proof = _proof_of(table, window)
        entry = self._described(table, window, proof.key if proof else (), proof.left_out if proof else ())
        declare(self.catalog, self.measurement, entry, again=True)
        self.on_step(Step.DECLARED, window)
        found, after = self._late(window), self._rows_at_source(window)
        if found.missing or not found.rows == after == rows_left or self._has_new_points(window):
            remark = f"it has {found.rows:,}, then {after:,} rows, of which the lake lacks {found.missing:,}"
            return self._unfinished(window, entry, f"the source changed while it was compared: {remark}")
        self.on_step(Step.PROVED, window)
        return self._deleted(window, entry)

    def _deleted(self, window: Window, entry: Offloaded) -> Result:
        try:
            self.deletion.delete(self.measurement.name, window)
        except SourceError as error:
            if not error.transient and self._has_all(window, entry):
                withdraw(self.catalog, self.measurement, window)
                raise
            return self._unfinished(window, entry, f"whether the source deleted it is not known: {error.message}")
        self.on_step(Step.DELETED, window)
        rows_left, remark = self._rows_at_source(window), ""
        if self._has_new_points(window):
            remark = "the source reported new points while it deleted: whoever wrote them has to send them again"
        if rows_left == 0:
            return self._finished(window, entry, remark)
        late = self._late(window)
        if late.missing == rows_left:
            reason = (
                f"{counted(rows_left, 'row')} arrived at the source since: load the window to have them in the lake"
            )
            return self._finished(window, entry, reason)
        return self._unfinished(window, entry, f"the source still has {counted(rows_left, 'row')} of it")

    def _finished(self, window: Window, entry: Offloaded, remark: str = "") -> Result:
        self.on_step(Step.SEEN_EMPTY, window)
        finish(self.catalog, self.measurement, replace(entry, is_done=True))
        self.on_step(Step.FINISHED, window)
        return Result(window, Outcome.DELETED, entry.rows, remark)

    def _unfinished(self, window: Window, entry: Offloaded, remark: str) -> Result:
        return Result(window, Outcome.UNFINISHED, entry.rows, remark)

    def _described(self, table: Table, window: Window, key: tuple[str, ...], left_out: tuple[str, ...]) -> Offloaded:
        """The record of a window: its rows in the current snapshot, which gets a tag."""
        snapshot = table.current_snapshot()
        assert snapshot is not None
        digest = stored_digest(table, self.measurement, window, snapshot.snapshot_id, key, left_out)
        if digest is None:
            raise NotOffloadable("files of it are gone from the table's store")
        options = self.measurement.offload
        assert options is not None
        tag = tag_snapshot(self.catalog, self.measurement, snapshot, options.keep_tag, datetime.now(UTC))
        self.on_step(Step.TAGGED, window)
        at = datetime.now(UTC).replace(microsecond=0)
        identity = self.source.identity
        return Offloaded(window, at, digest.values, str(digest), snapshot.snapshot_id, tag, identity, key, left_out)

    def _difference(self, window: Window, entry: Offloaded) -> str | None:
        """How source and lake differ now, or the lake from the tagged snapshot; None where they do not."""
        return next(self._differences(window, entry), None)

    def _differences(self, window: Window, entry: Offloaded) -> Iterator[str]:
        found = compare_apart(
            self.source, self.catalog, self.measurement, [window], depth=lambda _: Depth.VALUES, archive=None
        )
        yield from (failure.message for failure in found.failures)
        [comparison] = found.comparisons
        if comparison.late:
            yield f"points arrived since it was proved: the lake lacks {counted(comparison.late, 'row')} of the source"
        if (why := unprovable(comparison, table_state(self._table()))) is not None:
            yield why
        whole = comparison.values.lake.whole if comparison.values else None
        if whole is None or (whole.values, str(whole)) != (entry.rows, entry.digest):
            yield "the lake's rows of it changed while it was compared"
        if self._has_new_points(window):
            yield "the source reported new points"
        # Last, since later arrivals are not noticed.
        [count] = counts_of(self._transformed(), self.measurement.name, [window])
        if count != entry.rows:
            yield f"the source got points meanwhile: it has {counted(count, 'row')}, and the lake {entry.rows:,}"

    def _has_new_points(self, window: Window) -> bool:
        return window.overlaps_any(each.window for each in self.pending() if each.table == self.measurement.full_name)

    def _has_all(self, window: Window, entry: Offloaded) -> bool:
        """Whether the source, which refused to delete, still has the window as it was proved."""
        try:
            return self._difference(window, entry) is None
        except LakeError:
            return False

    def _objection(self, table: Table, window: Window) -> str | None:
        def nothing(of: Window) -> str | None:
            return None if current_proofs(table).hold(of) else "it changed since"

        objections = WindowObjections(self.catalog, self.measurement, table, nothing, self.now)
        return (
            objections.table_objection()
            or objections.window_objection(window)
            or self.deletion.objection(self.measurement.name, window)
        )

    def _rows_at_source(self, window: Window) -> int:
        """The source's row count of a window: the larger of its count and the rows that it returns."""
        source, name = self._transformed(), self.measurement.name
        try:
            schema = source.schema(name)
            [count] = counts_of(source, name, [window])
            with source.read(schema, window) as rows:
                return max(count, sum(len(batch) for batch in rows))
        except MeasurementNotFound:
            # A server forgets a measurement with its last point.
            return 0

    def _late(self, window: Window) -> LatePoints:
        return late_points(self._transformed(), self._table(), self.measurement, window)

    def _load(self, window: Window) -> None:
        replicate_window(self.source, self.catalog, self.measurement, window, run_id=self.run_id)

    def _transformed(self) -> Source:
        return transformed(self.source, without_erased_from(self.measurement, self._table()))

    def _table(self) -> Table:
        return open_table(self.catalog, self.measurement.identifier, self.measurement.share)


def _proof_of(table: Table, window: Window) -> Proof | None:
    """The proof that covers all of a window, where there is one."""
    for each in current_proofs(table).ranges:
        if any(part.contains(window) for part in each.valid):
            return each
    return None
