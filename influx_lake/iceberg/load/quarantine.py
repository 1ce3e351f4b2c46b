"""Quarantine: rows that a table does not take, kept whole in another table for inspection."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Nanoseconds, TypeOptions
from influx_lake.config.lake.table_names import QUARANTINE_SUFFIX
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.errors import SchemaConflict, StreamOvertaken
from influx_lake.iceberg.columns.row_mapping import Misfit
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.once import AlreadyCommitted, Once
from influx_lake.iceberg.commit.window_commit import WindowCommit, commit_id_of
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.message_plan import Beside, StreamPlan
from influx_lake.iceberg.load.replace_plan import Replacement
from influx_lake.iceberg.merge.written_rows import WrittenFiles, WrittenRows
from influx_lake.iceberg.parts.written_part import PartFiles, TableLayout
from influx_lake.iceberg.scan.reader import count_rows, find_table
from influx_lake.iceberg.staging.staged import Staged, Staging
from influx_lake.iceberg.table_state.changes import is_load_of
from influx_lake.iceberg.table_state.lineage import line_there
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import Unguarded, WindowLoad
from influx_lake.iceberg.window_rows import WindowStatistics
from influx_lake.iceberg.writer.writer import DataFileWriter

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

log = logging.getLogger("influx_lake.iceberg")

ROWS_AT_ONCE = 1_000
"""Rows are converted to text in slices: a row may hold megabytes, and its text is larger still."""
_TEXTS = ("reason", "column", "source", "row")


class Quarantine:
    """The rows of one window that do not fit its table: removed from its batches, and committed before the others.

    A context manager; leaving it deletes files of rows that were not committed. The rows replace those that the
    quarantine held for the window, so that a window that is loaded again does not duplicate them, and one that fits by
    now leaves none.

    Args:
        load: The load of the window; the quarantine's table is named `<table>__quarantine`.
        staged: The load's table; a row does not fit if it has a value in one of the shape's misfits.
        commit_id: The id of the commit of the table's own rows, which follows; recorded in this commit too.
        parts: Quarantined rows that were written already, with parts of the window.
        ids: The ids of the window's parts, where it was written in parts.
    """

    def __init__(
        self,
        load: WindowLoad,
        staged: Staged,
        commit_id: str,
        parts: Sequence[PartFiles] = (),
        ids: Collection[str] = (),
    ) -> None:
        self.target = quarantine_of(load.target)
        # Coverage of the window is recorded by the table's own commit.
        self._load = replace(
            load, target=self.target, complete_until=load.window.start, guard=Unguarded(), tail_of=None, written=None
        )
        self._table = staged.actual
        self._commit_id = commit_id
        self._misfits = staged.shape.misfits
        self._time_column = load.target.time_column
        self._statistics = WindowStatistics(TIME, load.window, self.target.name, self.target.share)
        self._parts = parts
        self._ids = ids
        self._writer: DataFileWriter | None = None
        self._is_used = load.target.has_quarantine
        self._handed_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        # Once the commit begins, it decides whether the files are deleted or kept.
        if self._writer and not self._handed_over:
            self._writer.abort()

    @property
    def rows(self) -> int:
        """The number of quarantined rows."""
        return self._statistics.rows + sum(part.rows for part in self._parts)

    @property
    def previous_rows(self) -> int:
        """The number of rows of the window that were in quarantine, and not in the table as well."""
        if not self._is_used or self._there is None or self._is_left_over(self._there):
            return 0
        return self._held

    @cached_property
    def _there(self) -> Table | None:
        return find_table(self._load.catalog, self.target.identifier, self.target.share)

    @cached_property
    def _held(self) -> int:
        return count_rows(self._there, self._load.window) if self._there else 0

    def _is_left_over(self, there: Table) -> bool:
        """Whether a run put the window's rows into quarantine and ended before it removed them from the table."""
        last = next((done for done in reversed(there.snapshots()) if self._is_of_window(done)), None)
        # Snapshots between a tagged one and the ancestors of the current one may have expired.
        line = list(line_there(self._table.metadata).values())
        if last is None or (line and last.timestamp_ms < line[-1].timestamp_ms):
            return False
        return commit_id_of(last) not in {commit_id_of(snapshot) for snapshot in self._table.snapshots()}

    def _is_of_window(self, snapshot: Snapshot) -> bool:
        if not is_load_of(snapshot, self.target.share):
            return False
        said = snapshot.summary.additional_properties.get("influx-lake.window") if snapshot.summary else None
        if said is None:
            return False
        window = Window.parse(said)
        return window.overlaps(self._load.window)

    def sift(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Remove the rows that do not fit, and return the others.

        Raises:
            SchemaConflict: A value has no column, and there is no quarantine.
        """
        if not self._misfits:
            return batch
        values = [pc.is_valid(batch.column(misfit.column)) for misfit in self._misfits]
        self._refuse(values)
        unfit = values[0]
        for more in values[1:]:
            unfit = pc.or_(unfit, more)
        self._take(batch.filter(unfit))
        return batch.filter(pc.invert(unfit))

    def _refuse(self, values: list[pa.Array]) -> None:
        """Raise where a value has no column, and there is no quarantine."""
        pairs = zip(self._misfits, values, strict=True)
        found = [misfit.reason for misfit, there in pairs if misfit.refused and there.true_count]
        if found:
            table = self.target.name.removesuffix(QUARANTINE_SUFFIX)
            raise SchemaConflict(
                f"one column of {table} cannot hold what the source has: {'; '.join(found)}",
                remedy="Set on_type_conflict: new_column, which gives each type a column, or quarantine",
            )

    def commit(self) -> None:
        """Replace the quarantined rows of the window, once; creates no table if there are none, before or now.

        Raises:
            LakeError: They were not committed; see `Committer.run`.
        """
        if self._handed_over or not self._is_used or not (self.rows or (self._load.stream is None and self._held)):
            return
        staging = self._staging
        own = [WrittenFiles(staging.first.table, self._writer.finish())] if self._writer else []
        parts = [WrittenFiles(each.layout.applied_to(staging.first.actual), each.files) for each in self._parts]
        written = WrittenRows(self.target, [*own, *parts], kept=bool(parts))
        planner: Planner[Change] = Replacement(self._load, staging.first.table, self.rows, written)
        if (position := self._load.stream) is not None:
            planner = StreamPlan(Beside(written, self.rows), self.target, position)
        self._handed_over = True
        if self._ids:
            planner = Once(planner, self._commit_id, self._ids)
        try:
            WindowCommit(self._load, staging, planner, commit_id=self._commit_id).run()
        except AlreadyCommitted:
            # Another process committed the same parts.
            return
        except StreamOvertaken:
            # The quarantine has the rows of these messages: an earlier run ended before it added the others.
            log.info("%s has the rows of these messages already", self.target.name)

    def hand_over(self) -> PartFiles | None:
        """Finish writing the quarantined rows, for whoever commits the part; None without rows."""
        if self._writer is None:
            return None
        files = self._writer.finish()
        self._handed_over = True
        return PartFiles(self.rows, TableLayout.of(self._staging.first.table), files)

    def _take(self, rows: pa.RecordBatch) -> None:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            if self._writer is None:
                self._writer = DataFileWriter(self._staging.first.table, self.target)
            texts = self._staging.first.shape.apply(self._as_texts(rows.slice(start, ROWS_AT_ONCE)))
            self._statistics.observe(texts)
            self._writer.write(texts)

    @cached_property
    def _staging(self) -> Staging:
        columns = pa.schema([pa.field(TIME, pa.timestamp("ns")), *((name, pa.string()) for name in self._texts)])
        return Staging(columns, self.target, table_for(self._load.catalog, self.target, columns, self._load.provenance))

    def _as_texts(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        found = [self._found_in(row) for row in rows.select([m.column for m in self._misfits]).to_pylist()]
        texts = {
            "reason": ["; ".join(misfit.reason for misfit in misfits) for misfits in found],
            "column": [", ".join(misfit.column for misfit in misfits) for misfits in found],
            "source": [self._load.provenance.source] * len(rows),
            "row": list(_json(rows)),
        }
        times = rows.column(self._time_column).cast(pa.timestamp("ns"))
        if self.target.share is not None:
            texts[self.target.share.column] = [self.target.share.value] * len(rows)
        return pa.RecordBatch.from_arrays(
            [times, *(pa.array(texts[name], pa.string()) for name in self._texts)], [TIME, *self._texts]
        )

    @property
    def _texts(self) -> tuple[str, ...]:
        """The columns except the time; in a shared table also the column that distinguishes its measurements."""
        return _TEXTS if self.target.share is None else (self.target.share.column, *_TEXTS)

    def _found_in(self, row: dict[str, Any]) -> list[Misfit]:
        return [misfit for misfit in self._misfits if row[misfit.column] is not None]


def quarantine_of(target: TableTarget) -> TableTarget:
    """The quarantine of a table."""
    return TableTarget(
        identifier=(*target.identifier[:-1], target.identifier[-1] + QUARANTINE_SUFFIX),
        # The quarantine has other columns.
        write=target.write.model_copy(update={"bloom_filter": (), "sort_by": None}),
        # The text of the row holds the time with its nanoseconds.
        types=TypeOptions(nanoseconds=Nanoseconds.TRUNCATE, time_type=target.types.time_type),
        share=target.share,
        erased=target.erased,
    )


def _json(rows: pa.RecordBatch) -> Iterator[str]:
    columns = [_readable(column).to_pylist() for column in rows.columns]
    for values in zip(*columns, strict=True):
        row = {name: _plain(value) for name, value in zip(rows.schema.names, values, strict=True)}
        yield json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)


def _readable(column: pa.Array) -> pa.Array:
    """Format times as text, since Python's have no nanoseconds."""
    if not pa.types.is_timestamp(column.type):
        return column
    moments = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(moments, " ", "T"), "Z", "")


def _plain(value: Any) -> Any:
    """Format NaN and infinity as text, since JSON has neither."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
