"""The rows of a load that were written to files already, in parts, by any processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.errors import BranchOutdated, ColumnsChanged
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.once import AlreadyCommitted, Once
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.ingest import Ingest, statistics_of
from influx_lake.iceberg.load.quarantine import Quarantine
from influx_lake.iceberg.merge.written_rows import WrittenFiles, WrittenRows
from influx_lake.iceberg.parts.written_part import WrittenPart, shape_digest
from influx_lake.iceberg.scan.reader import arrow_schema, count_rows, find_table
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.iceberg.window_rows import PREVIEW_ROWS, WindowStatistics

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class PartsIngest(Ingest):
    """Rows in files already. The files stay if a commit fails: the next attempt commits them.

    Attributes:
        written: The files.
        parts: The ids of the parts.
    """

    written: WrittenRows
    parts: frozenset[str]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, read back from the files."""
        for batch in self.written.read(arrow_schema(self.table.schema())):
            yield batch
            self.load.progress.add(len(batch))

    def write(self, rows: Iterable[pa.RecordBatch] | None = None) -> WrittenRows:
        """The files as they are; what the rows pass through must not change them."""
        for _ in rows or ():
            pass
        return self.written

    def commit(self, planner: Planner[Change]) -> WindowResult:
        """Commit the files, unless another process has committed them.

        Raises:
            BranchOutdated: It has, and the commit is not in the table's current state.
        """
        try:
            return Ingest.commit(self, Once(planner, self.commit_id, self.parts))
        except AlreadyCommitted as found:
            return self._committed(found.snapshot)

    def _committed(self, snapshot: Snapshot) -> WindowResult:
        load = self.load
        table = find_table(load.catalog, load.target.identifier, load.target.share)
        if table is None or not _is_in_line(table, snapshot):
            raise BranchOutdated(
                f"the parts of the window were committed to {load.target.name} already, and what readers get of it "
                "does not have that commit",
                remedy="Run the window again",
            )
        rows = count_rows(table, load.window, load.target.time_column)
        return self.described(WindowResult(load.window, rows, rows, snapshot.snapshot_id, table))


@contextmanager
def open_parts(load: WindowLoad, parts: Sequence[WrittenPart]) -> Iterator[PartsIngest]:
    """Open the written parts of a load, with its table ready for them.

    Args:
        load: The load.
        parts: At least one part, each within the window, which together hold all of its rows.

    Raises:
        ColumnsChanged: The rows would be mapped to the current table in another way than they were.
        LakeError: The table cannot take such rows; see `table_for`.
    """
    if any(part.window.start < load.window.start or load.window.end < part.window.end for part in parts):
        raise ValueError(f"parts of {load.window} reach beyond it")
    columns = parts[0].columns
    staging = Staging(columns, load.target, table_for(load.catalog, load.target, columns, load.provenance))
    shape = shape_digest(staging.first.shape)
    if any(part.shape != shape for part in parts):
        raise ColumnsChanged(
            f"columns changed, of the source or of {load.target.name}, while the window was written in parts",
            remedy="Run the window again",
        )
    commit_id = commit_id_of_parts(parts)
    table = staging.first.actual
    written = WrittenRows(
        load.target,
        [WrittenFiles(part.files.layout.applied_to(table), part.files.files) for part in parts],
        kept=True,
    )
    aside = [part.quarantined for part in parts if part.quarantined is not None]
    ids = frozenset(part.id for part in parts)
    with Quarantine(load, staging.first, commit_id, aside, ids) as quarantine:
        yield PartsIngest(load, staging, _statistics(load, parts), quarantine, commit_id, written, ids)


def shape_as_of_now(load: WindowLoad, columns: pa.Schema) -> str:
    """How rows of some columns would be mapped to a load's current table; see `shape_digest`.

    Args:
        load: The load.
        columns: The Arrow schema of the rows.

    Raises:
        LakeError: The table cannot take such rows; see `table_for`.
    """
    staged = table_for(load.catalog, load.target, columns, load.provenance)
    return shape_digest(Staging(columns, load.target, staged).first.shape)


def commit_id_of_parts(parts: Iterable[WrittenPart]) -> str:
    """The id of the commit of parts, the same in every process."""
    return hashlib.sha256("\0".join(sorted(part.id for part in parts)).encode()).hexdigest()[:32]


def _statistics(load: WindowLoad, parts: Sequence[WrittenPart]) -> WindowStatistics:
    found = statistics_of(load)
    found.rows = sum(part.files.rows for part in parts)
    found.first_us = min((part.first_us for part in parts if part.first_us is not None), default=None)
    found.last_us = max((part.last_us for part in parts if part.last_us is not None), default=None)
    # From one part only: other parts may have other columns.
    first = next((part.preview for part in parts if len(part.preview)), None)
    found.head = first.slice(0, PREVIEW_ROWS).to_batches() if first is not None else []
    return found


def _is_in_line(table: Table, snapshot: Snapshot) -> bool:
    from pyiceberg.table.snapshots import ancestors_of

    line = ancestors_of(table.current_snapshot(), table.metadata)
    return any(each.snapshot_id == snapshot.snapshot_id for each in line)
