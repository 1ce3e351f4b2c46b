"""Determines which time lost rows between two snapshots, or had rows rewritten, from the files of one of them only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.errors import StorageError
from influx_lake.iceberg.scan.manifest_cache import manifests_of
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.share_files import may_hold_share, only_of_share

if TYPE_CHECKING:
    import numpy as np
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot

_SECOND = 1_000_000
_BINS = (_SECOND, 60 * _SECOND, 3_600 * _SECOND, 86_400 * _SECOND)
MOST_BINS = 1_000_000
"""The largest number of bins in which rows are counted, so that memory does not depend on the number of rows."""
MOST_PARTS = 200
"""The largest number of intervals kept as lost; beyond it, one interval from the first to the last."""


class LossUndetermined(Exception):
    """Metadata and files do not tell which time lost rows."""


@dataclass(slots=True)
class _Stretch:
    """Files whose time ranges overlap each other, and none of another stretch.

    Attributes:
        first: The first time in them, in microseconds since 1970.
        last: The last one, likewise.
        removed: Files that only the earlier snapshot has, or has with fewer delete files.
        added: Files that only the later one has.
    """

    first: int
    last: int
    removed: list[FileScanTask] = field(default_factory=list)
    added: list[FileScanTask] = field(default_factory=list)

    def is_rewritten(self) -> bool:
        """Whether it has new files; delete files that apply to an existing file change no values."""
        there = {task.file.file_path for task in self.removed}
        return any(task.file.file_path not in there for task in self.added)

    def has_more(self) -> bool:
        """Whether more rows were added than removed, as far as metadata tells."""
        if any(task.delete_files for task in (*self.removed, *self.added)):
            return False
        came, went = (sum(task.file.record_count for task in part) for part in (self.added, self.removed))
        return came > went

    def window(self) -> Window:
        return _between(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class ChangedTime:
    """The time ranges whose rows changed, oldest first.

    Attributes:
        lost: Time with fewer rows.
        altered: Time rewritten with at least as many rows: values may differ.
        gained: Time of files that were replaced by files with more rows.
    """

    lost: tuple[Window, ...]
    altered: tuple[Window, ...]
    gained: tuple[Window, ...]


def changed_time(table: Table, before: Snapshot, after: Snapshot, time_id: int) -> ChangedTime:
    """The time in which a snapshot has other files than an earlier one of the same table.

    The table has both snapshots. Files without viewed rows are ignored. Only files whose time range has files on both
    sides are read, and of them only the columns that are compared.

    Raises:
        LossUndetermined: The table has delete files that cannot be read, or data files without bounds of their time.
    """
    held, holds = _files(table, before), _files(table, after)
    removed = [task for key, task in held.items() if key not in holds]
    added = [task for key, task in holds.items() if key not in held]
    return _changed_time(table, removed, added, time_id)


def changed_time_by(table: Table, snapshots: Iterable[Snapshot], time_id: int) -> ChangedTime:
    """The time that consecutive snapshots changed, where the one before them is gone; else as `changed_time`.

    Raises:
        LossUndetermined: They added delete files: the rows that these apply to may be in files that are gone.
    """
    from pyiceberg.manifest import ManifestContent, ManifestEntryStatus
    from pyiceberg.table import FileScanTask

    removed: dict[str, FileScanTask] = {}
    added: dict[str, FileScanTask] = {}
    for snapshot in snapshots:
        for manifest in manifests_of(snapshot, table.io):
            if manifest.added_snapshot_id != snapshot.snapshot_id:
                continue
            if manifest.content is ManifestContent.DELETES and manifest.has_added_files():
                raise LossUndetermined(f"snapshot {snapshot.snapshot_id} added deletes")
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                into = {ManifestEntryStatus.DELETED: removed, ManifestEntryStatus.ADDED: added}.get(entry.status)
                if into is not None and entry.snapshot_id == snapshot.snapshot_id:
                    into[entry.data_file.file_path] = FileScanTask(entry.data_file)
    passing = removed.keys() & added.keys()
    for path in passing:
        del removed[path], added[path]
    return _changed_time(table, list(removed.values()), list(added.values()), time_id)


def _changed_time(
    table: Table, removed: Sequence[FileScanTask], added: Sequence[FileScanTask], time_id: int
) -> ChangedTime:
    if time_id not in {column.field_id for column in table.schema().fields}:
        raise LossUndetermined("the column of time is gone")
    lost: list[Window] = []
    altered: list[Window] = []
    gained: list[Window] = []
    may_hold = may_hold_share(table)
    removed, added = ([task for task in part if may_hold(task.file)] for part in (removed, added))
    for stretch in _stretches(removed, added, time_id):
        lost += _lost_of(table, stretch, time_id)
        if stretch.is_rewritten():
            altered.append(stretch.window())
            if _is_countable(table, stretch) and stretch.has_more():
                gained.append(stretch.window())
    return ChangedTime(tuple(lost), tuple(altered), tuple(gained))


def _files(table: Table, snapshot: Snapshot) -> dict[tuple[str, frozenset[str]], FileScanTask]:
    """The files of a snapshot, each keyed with its delete files: with other delete files it is another file."""
    try:
        tasks = table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
        return {(task.file.file_path, frozenset(each.file_path for each in task.delete_files)): task for task in tasks}
    except (OSError, ValueError) as error:
        # pyiceberg raises ValueError for equality deletes.
        raise LossUndetermined(str(error)) from error


def _stretches(removed: Sequence[FileScanTask], added: Sequence[FileScanTask], time_id: int) -> Iterator[_Stretch]:
    """Group files by overlapping time, oldest first; only groups with removed files."""
    files = [(_bounds(task.file, time_id), task, True) for task in removed]
    files += [(_bounds(task.file, time_id), task, False) for task in added]
    stretch: _Stretch | None = None
    for (first, last), task, was_removed in sorted(files, key=lambda each: each[0]):
        if stretch is None or first > stretch.last:
            if stretch is not None and stretch.removed:
                yield stretch
            stretch = _Stretch(first, last)
        stretch.last = max(stretch.last, last)
        (stretch.removed if was_removed else stretch.added).append(task)
    if stretch is not None and stretch.removed:
        yield stretch


def _bounds(file: DataFile, time_id: int) -> tuple[int, int]:
    bounds = time_bounds(file, time_id)
    if bounds is None:
        raise LossUndetermined(f"{file.file_path} has no bounds of its time")
    return bounds


def _lost_of(table: Table, stretch: _Stretch, time_id: int) -> list[Window]:
    countable = _is_countable(table, stretch)
    if not stretch.added and countable:
        return [stretch.window()]
    if countable and not any(task.delete_files for task in (*stretch.removed, *stretch.added)):
        counts = [sum(task.file.record_count for task in part) for part in (stretch.removed, stretch.added)]
        if counts[0] == counts[1] and _same_bounds(stretch, time_id):
            return []
    try:
        return _counted(table, stretch, time_id)
    except StorageError:
        # The files of an earlier snapshot may be gone: then all of that time may be lost.
        return [stretch.window()]


def _is_countable(table: Table, stretch: _Stretch) -> bool:
    """Whether all rows of the files are viewed."""
    is_of_share = only_of_share(table)
    return all(is_of_share(task.file) for task in (*stretch.removed, *stretch.added))


def _same_bounds(stretch: _Stretch, time_id: int) -> bool:
    """Whether the added files have the same first and last time as the removed ones."""

    def ends(tasks: Iterable[FileScanTask]) -> tuple[int, int]:
        firsts, lasts = zip(*(_bounds(task.file, time_id) for task in tasks), strict=True)
        return min(firsts), max(lasts)

    return ends(stretch.removed) == ends(stretch.added)


def _counted(table: Table, stretch: _Stretch, time_id: int) -> list[Window]:
    import numpy as np

    length = next((each for each in _BINS if (stretch.last - stretch.first) // each < MOST_BINS), _BINS[-1])
    origin = stretch.first // length
    count = stretch.last // length - origin + 1
    held, holds = (_histogram(table, part, time_id, length, origin, count) for part in (stretch.removed, stretch.added))
    fewer = holds < held
    # Bins without rows may lie between two that lost rows: a lost part ends at a bin whose rows are all there.
    marked = np.flatnonzero(fewer | (held > 0))
    marks = np.diff(np.concatenate([[False], fewer[marked], [False]]).astype(np.int8))
    parts = list(zip(marked[np.flatnonzero(marks == 1)], marked[np.flatnonzero(marks == -1) - 1], strict=True))
    if len(parts) > MOST_PARTS:
        parts = [(parts[0][0], parts[-1][1])]
    return [_between((origin + first) * length, (origin + last + 1) * length) for first, last in parts]


def _between(start_us: int, end_us: int) -> Window:
    return Window(EPOCH + int(start_us) * MICROSECOND, EPOCH + int(end_us) * MICROSECOND)


def _histogram(
    table: Table, tasks: Sequence[FileScanTask], time_id: int, length: int, origin: int, count: int
) -> np.ndarray:
    import numpy as np

    from influx_lake.iceberg.scan.reader import read_tasks
    from influx_lake.iceberg.scan.row_filter import RowFilter

    found = np.zeros(count, dtype=np.int64)
    time_column = table.schema().find_field(time_id).name
    only_time, wanted = table.schema().select(time_column), RowFilter.of(None, table, time_column)
    for batch in read_tasks(table, tasks, wanted, only_time):
        times = np.asarray(batch.column(0).cast(pa.int64()).drop_null())
        found += np.bincount(np.clip(times // length - origin, 0, count - 1), minlength=count)
    return found
