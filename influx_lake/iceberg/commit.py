"""Puts written files in the place of a window's, in one snapshot, whoever else writes to the table meanwhile."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from influx_lake.config.windows import Window
from influx_lake.errors import CommitConflict, CommitOutcomeUnknown
from influx_lake.iceberg import coverage
from influx_lake.iceberg.commit_lock import commit_lock
from influx_lake.iceberg.coverage import Coverage
from influx_lake.iceberg.reader import arrow_schema, conform, outside, read_tasks
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.translation import catalog_errors, first_line, safe_cause, translate
from influx_lake.iceberg.window_files import files_of
from influx_lake.iceberg.writer import DataFileWriter, delete_files

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot

_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that took place.

    Attributes:
        table: The table with it.
        snapshot_id: Its snapshot.
        previous_rows: How many rows the window held before.
        added: The files it added.
        removed: The files it removed.
    """

    table: Table
    snapshot_id: int
    previous_rows: int
    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]


@dataclass(slots=True)
class Replacement:
    """The commit of written files in the place of a window's, planned again on every try for the table as it is then.

    Attributes:
        catalog: The catalog.
        target: The table.
        table: The table as the files were written for it; afterwards as it is now.
        window: The window that is replaced.
        provenance: Where the rows come from.
        rows: How many there are.
        files: The files that hold them.
        approve: Told how many rows come and how many go, before each try; raises to stop.
        loaded: What of the window is complete, and recorded as loaded; None when nothing of it is.
        commit_id: Tells the commit from every other, when it has to be found in the table.
    """

    catalog: Catalog
    target: TableTarget
    table: Table
    window: Window
    provenance: Provenance
    rows: int
    files: list[DataFile]
    approve: Callable[[int, int], None]
    loaded: Window | None
    commit_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _kept: dict[str, tuple[int, list[DataFile]]] = field(default_factory=dict)
    _asked: bool = False
    _spec_id: int = field(init=False)

    def __post_init__(self) -> None:
        self._spec_id = self.table.spec().spec_id

    def run(self, budget: timedelta) -> Committed:
        """Commit, trying again for as long as other writers are first and the budget lasts.

        Raises:
            LakeError: It was not committed; the files are deleted where that is safe.
        """
        deadline = time.monotonic() + budget.total_seconds()
        try:
            for attempt in itertools.count():
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

    def _try(self) -> Committed | None:
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
        self.approve(self.rows, previous)
        summary, properties = self._summary(previous), self._properties()
        commit = ReplaceCommit(self.table, removed, added, summary, properties)
        with catalog_errors(f"write the manifests of {self.target.name}"):
            try:
                commit.prepare()
            except BaseException:
                commit.clean_up()
                raise
        self._asked = True
        try:
            commit.commit()
        except CommitFailedException:
            self._asked = False
            commit.clean_up()
            return None
        except Exception as error:
            self._find_out(error)
        return Committed(self.table, commit.snapshot_id, previous, tuple(added), tuple(removed))

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
        if not any(commit_id_of(snapshot) == self.commit_id for snapshot in self.table.metadata.snapshots):
            raise failure from safe_cause(error)

    def _check_spec(self) -> None:
        if self.table.spec().spec_id != self._spec_id:
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
            "influx-lake.rows": str(self.rows),
            "influx-lake.previous-rows": str(previous_rows),
            "influx-lake.source": self.provenance.source,
            "influx-lake.run-id": self.provenance.run_id,
            "influx-lake.commit-id": self.commit_id,
        }

    def _properties(self) -> dict[str, str]:
        held = Coverage.of(self.table)
        return {coverage.PROPERTY: str(held.adding(self.loaded) if self.loaded else held)}

    def _abandon(self) -> None:
        kept = (file for _, files in self._kept.values() for file in files)
        delete_files(self.table, [file.file_path for file in (*self.files, *kept)])


def commit_id_of(snapshot: Snapshot) -> str | None:
    """Which of our commits made a snapshot."""
    return snapshot.summary.additional_properties.get("influx-lake.commit-id") if snapshot.summary else None
