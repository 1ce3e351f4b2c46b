"""Replaces the rows of one window by others, in one snapshot."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.windows import EPOCH, MICROSECOND, Window, utc_text
from influx_lake.errors import CommitConflict, CommitOutcomeUnknown, DataRefused
from influx_lake.iceberg import coverage
from influx_lake.iceberg.commit_lock import commit_lock
from influx_lake.iceberg.coverage import Coverage
from influx_lake.iceberg.reader import arrow_schema, conform, outside, read_tasks
from influx_lake.iceberg.table import ensure_table
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.translation import catalog_errors, first_line, safe_cause, translate
from influx_lake.iceberg.window_files import files_of
from influx_lake.iceberg.writer import DataFileWriter, delete_files

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot

PREVIEW_ROWS = 10
COMMIT_BUDGET = timedelta(minutes=10)
_LONGEST_PAUSE_SECONDS = 5.0


class Rows(Protocol):
    """Record batches of one schema."""

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True, slots=True)
class WindowCommit:
    """What one replacement of a window did.

    Attributes:
        window: The window.
        rows: How many rows the table holds for the window now.
        previous_rows: How many it held before.
        files_added: Data files written, also those that keep rows outside the window of a file that was split.
        files_removed: Data files dropped.
        bytes_written: Bytes of the files added.
        snapshot_id: The snapshot that did it.
        first_time: The time of the window's first row, None when it is empty.
        last_time: The time of its last row.
        preview: Its first rows as they were read, ten at most.
        total_rows: How many rows the whole table holds.
        table: The table with the snapshot.
    """

    window: Window
    rows: int
    previous_rows: int
    files_added: int
    files_removed: int
    bytes_written: int
    snapshot_id: int
    first_time: datetime | None
    last_time: datetime | None
    preview: pa.Table
    total_rows: int
    table: Table


def replace_window(
    catalog: Catalog,
    target: TableTarget,
    rows: Rows,
    window: Window,
    provenance: Provenance,
    *,
    on_rows: Callable[[int], None] = lambda rows: None,
    approve: Callable[[int, int], None] = lambda rows, previous_rows: None,
    commit_budget: timedelta = COMMIT_BUDGET,
) -> WindowCommit:
    """Replace exactly the rows of a window by the rows that come, in one snapshot, or change nothing.

    The table is made on first use. Rows are streamed to files as they come; only then are the files committed, so a
    failure or a crash at any earlier moment leaves the table as it was.

    Args:
        catalog: The catalog.
        target: The table.
        rows: Every row of the window, and none outside it.
        window: The window.
        provenance: Where the rows come from.
        on_rows: Told how many rows were written so far.
        approve: Told how many rows come and how many the table holds for the window, before each try to commit;
            raises to stop it.
        commit_budget: How long to try again when other writers win the race for the table.

    Raises:
        LakeError: Of the class that says what can be done about it; the table is unchanged, but for
            `CommitOutcomeUnknown`.
    """
    table = ensure_table(catalog, target, rows.schema)
    writer = DataFileWriter(table, rows.schema, target)
    written = _Written(time_column=target.time_column, window=window, table_name=target.name)
    try:
        with catalog_errors(f"write files of {target.name}"):
            for batch in rows:
                written.see(batch)
                writer.write(batch)
                on_rows(written.rows)
            files = writer.finish()
    except BaseException:
        writer.abort()
        raise
    return _Replacement(catalog, target, table, window, provenance, written, files, approve, table.spec().spec_id).run(
        commit_budget
    )


@dataclass(slots=True)
class _Written:
    """What is known of the rows that were streamed."""

    time_column: str
    window: Window
    table_name: str
    rows: int = 0
    first_us: int | None = None
    last_us: int | None = None
    head: list[pa.RecordBatch] = field(default_factory=list)
    _previewed: int = 0

    def see(self, batch: pa.RecordBatch) -> None:
        """Note a batch.

        Raises:
            DataRefused: A row has no time or lies outside the window: it would not be replaced with it later.
        """
        times = batch.column(self.time_column)
        if times.null_count:
            raise DataRefused(f"{times.null_count} rows for {self.table_name} have no {self.time_column}")
        # Floored, not cast: a cast cuts towards 1970, which moves nanoseconds before it across a bound.
        fine = times.type.unit == "ns"
        extremes = pc.min_max(times if fine else times.cast(pa.timestamp("us", times.type.tz)))
        first, last = (extremes[end].value // (1000 if fine else 1) for end in ("min", "max"))
        if first < self.window.start_us or last >= self.window.end_us:
            raise DataRefused(
                f"the rows for {self.table_name} reach from {_moment(first)} to {_moment(last)}, beyond the window "
                f"{self.window}",
                remedy="A source must answer a window with its own rows only",
            )
        self.first_us = first if self.first_us is None else min(first, self.first_us)
        self.last_us = last if self.last_us is None else max(last, self.last_us)
        if self._previewed < PREVIEW_ROWS:
            self.head.append(batch.slice(0, PREVIEW_ROWS - self._previewed))
            self._previewed += len(self.head[-1])
        self.rows += len(batch)


def _moment(microseconds: int) -> str:
    return utc_text(EPOCH + microseconds * MICROSECOND)


@dataclass(slots=True)
class _Replacement:
    """The commit of written files, planned again on every try for the table as it is then."""

    catalog: Catalog
    target: TableTarget
    table: Table
    window: Window
    provenance: Provenance
    written: _Written
    files: list[DataFile]
    approve: Callable[[int, int], None]
    spec_id: int
    commit_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _kept: dict[str, tuple[int, list[DataFile]]] = field(default_factory=dict)
    _asked: bool = False

    def run(self, budget: timedelta) -> WindowCommit:
        deadline = time.monotonic() + budget.total_seconds()
        try:
            for attempt in range(1_000_000):
                with commit_lock(self.table.metadata.table_uuid):
                    if (done := self._try()) is not None:
                        return done
                pause = random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(attempt, 10)))
                if time.monotonic() + pause > deadline:
                    break
                time.sleep(pause)
        except BaseException:
            if not self._asked:
                self._abandon()
            raise
        self._abandon()
        raise CommitConflict(
            f"other writers kept winning the race for {self.target.name} for {budget}",
            remedy="Run the window again when fewer runs write to this table at once",
        )

    def _try(self) -> WindowCommit | None:
        """Plan on the table as it is now and commit; None when another writer was first."""
        from pyiceberg.exceptions import CommitFailedException

        from influx_lake.iceberg.snapshot import ReplaceCommit

        with catalog_errors(f"load the table {self.target.name}"):
            self.table = self.catalog.load_table(self.target.identifier)
        self._check_spec()
        with catalog_errors(f"plan the replacement of {self.window} in {self.target.name}"):
            found = files_of(self.table, self.window, self.target.time_column)
            kept = [self._rows_outside(task) for task in found.straddling]
        removed = [task.file for task in (*found.inside, *found.straddling)]
        added = [*self.files, *(file for _, files in kept for file in files)]
        previous = sum(file.record_count for file in removed) - sum(count for count, _ in kept)
        self.approve(self.written.rows, previous)
        summary, properties = self._summary(previous), self._properties()
        commit = ReplaceCommit(self.table, removed, added, summary, properties)
        with catalog_errors(f"write the manifests of {self.target.name}"):
            commit.prepare()
        self._asked = True
        try:
            commit.commit()
        except CommitFailedException:
            self._asked = False
            commit.clean_up()
            return None
        except Exception as error:
            self._find_out(error)
        return self._done(commit.snapshot_id, previous, added, removed)

    def _find_out(self, error: Exception) -> None:
        """Return when the commit that ended with an error took place all the same, and raise when it did not.

        The files stay: a catalog that answered with an error may still be about to commit them.
        """
        failure = translate(error, f"commit {self.window} to {self.target.name}")
        try:
            self.table = self.catalog.load_table(self.target.identifier)
        except Exception as again:
            raise CommitOutcomeUnknown(
                f"{failure.message}; and whether it took place could not be found out ({first_line(again)})",
                remedy="Run the window again: it is replaced as a whole, whatever happened",
            ) from None
        if not any(_commit_id(snapshot) == self.commit_id for snapshot in self.table.metadata.snapshots):
            raise failure from safe_cause(error)

    def _check_spec(self) -> None:
        if self.table.spec().spec_id != self.spec_id:
            raise CommitConflict(
                f"the partitioning of {self.target.name} was changed while the window was written",
                remedy="Run the window again",
            )

    def _rows_outside(self, task: FileScanTask) -> tuple[int, list[DataFile]]:
        """Write the rows of a file that lie outside the window to files of their own, once per file."""
        from pyiceberg.expressions import AlwaysTrue

        path = task.file.file_path
        if path not in self._kept:
            schema = arrow_schema(self.table.schema())
            writer = DataFileWriter(self.table, schema, self.target)
            try:
                for batch in read_tasks(self.table, [task], AlwaysTrue(), self.table.schema()):
                    rest = outside(conform(batch, schema), self.window, self.target.time_column)
                    if len(rest):
                        writer.write(rest)
                self._kept[path] = (writer.rows, writer.finish())
            except BaseException:
                writer.abort()
                raise
        return self._kept[path]

    def _summary(self, previous_rows: int) -> dict[str, str]:
        return {
            "influx-lake.window": str(self.window),
            "influx-lake.rows": str(self.written.rows),
            "influx-lake.previous-rows": str(previous_rows),
            "influx-lake.source": self.provenance.source,
            "influx-lake.run-id": self.provenance.run_id,
            "influx-lake.commit-id": self.commit_id,
        }

    def _properties(self) -> dict[str, str]:
        return {coverage.PROPERTY: str(Coverage.of(self.table).adding(self.window))}

    def _abandon(self) -> None:
        kept = (file for _, files in self._kept.values() for file in files)
        delete_files(self.table, [file.file_path for file in (*self.files, *kept)])

    def _done(self, snapshot_id: int, previous: int, added: list[DataFile], removed: list[DataFile]) -> WindowCommit:
        snapshot = self.table.metadata.snapshot_by_id(snapshot_id)
        summary = snapshot.summary if snapshot else None
        written = self.written
        return WindowCommit(
            window=self.window,
            rows=written.rows,
            previous_rows=previous,
            files_added=len(added),
            files_removed=len(removed),
            bytes_written=sum(file.file_size_in_bytes for file in added),
            snapshot_id=snapshot_id,
            first_time=None if written.first_us is None else EPOCH + written.first_us * MICROSECOND,
            last_time=None if written.last_us is None else EPOCH + written.last_us * MICROSECOND,
            preview=pa.Table.from_batches(written.head) if written.head else pa.table({}),
            total_rows=int(summary["total-records"] or 0) if summary else 0,
            table=self.table,
        )


def _commit_id(snapshot: Snapshot) -> str | None:
    return snapshot.summary.additional_properties.get("influx-lake.commit-id") if snapshot.summary else None
