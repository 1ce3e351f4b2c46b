"""Selects the data files that are rewritten together, from metadata alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from influx_lake.config.maintenance.options import CompactOptions
from influx_lake.config.values.windows import EPOCH, MICROSECOND
from influx_lake.iceberg.columns.known_columns import time_field
from influx_lake.iceberg.compaction.row_order import RowOrder
from influx_lake.iceberg.scan.manifest_cache import manifests_of, planned_files
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.write_settings import WriteSettings

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.typedef import Record

V = TypeVar("V")
SMALL = 0.75
"""A file below this fraction of the target size is small."""
MOST_FILES_OF_TARGET_SIZE = 16
"""Files of the target size that are rewritten at once in an Iceberg partition: the work that a lost race costs."""
_HOUR, _DAY = 3_600_000_000, 86_400_000_000


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Limits on the size of files, in bytes on disk.

    Attributes:
        target: The target size.
        small: A file below this is small.
    """

    target: int
    small: int

    @classmethod
    def of(cls, table: Table, target: TableTarget, options: CompactOptions) -> FileSizes:
        """The limits that options state, else those of loads."""
        size = options.target_file_size or WriteSettings.of(table, target).target_file_size
        return cls(size, options.small_file_size or int(size * SMALL))


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files of one Iceberg partition that are rewritten together, ordered by time.

    Attributes:
        partition: The path of the partition; empty where the table is not partitioned.
        tasks: The files, with their delete files.
    """

    partition: str
    tasks: tuple[FileScanTask, ...]

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(task.file.file_size_in_bytes for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a table that are worth rewriting.

    Attributes:
        groups: The files that are rewritten.
        young: The number of small files that stay because loads may still write to their time.
    """

    groups: tuple[FileGroup, ...]
    young: int


def select(table: Table, target: TableTarget, options: CompactOptions, now: datetime) -> Selection:
    """Select the files of a table that are worth rewriting: small ones, and those with rows that other engines deleted.

    Args:
        table: The whole table, under the column names of its loads.
        target: The table, and the options with which its files are written.
        options: Which files are worth it.
        now: The time that ages are relative to.

    Raises:
        StorageError: Manifests cannot be read.
        SchemaConflict: The table has no such time column.
    """
    sizes = FileSizes.of(table, target, options)
    told = _ids_of_order(table, target)
    is_cold = _Coldness(table, target.time_column, now - options.after)
    partitions: dict[tuple[int, Record], list[FileScanTask]] = defaultdict(list)
    young = 0
    for task in _planned(table):
        if task.file.file_size_in_bytes < sizes.small or task.delete_files:
            if is_cold(task):
                partitions[task.file.spec_id, task.file.partition].append(_without_metrics(task, told))
            else:
                young += 1
    specs, schema = table.metadata.specs(), table.metadata.schema()
    groups = [
        FileGroup(specs[spec_id].partition_to_path(partition, schema) if partition else "", tuple(part))
        for (spec_id, partition), tasks in partitions.items()
        for part in _parts(sorted(tasks, key=is_cold.first_time), sizes)
        if _is_worth_it(part, sizes, options)
    ]
    return Selection(tuple(sorted(groups, key=lambda group: is_cold.first_time(group.tasks[0]))), young)


def _planned(table: Table) -> Iterator[FileScanTask]:
    """Yield the files of a table, those of one manifest in memory at once unless deletes have to be assigned."""
    from pyiceberg.manifest import ManifestContent
    from pyiceberg.table import FileScanTask

    snapshot = table.current_snapshot()
    manifests = manifests_of(snapshot, table.io) if snapshot else ()
    if any(manifest.content is ManifestContent.DELETES for manifest in manifests):
        yield from planned_files(table.scan())
        return
    for manifest in manifests:
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            yield FileScanTask(entry.data_file)


def _ids_of_order(table: Table, target: TableTarget) -> tuple[int, ...]:
    """The field ids of the columns whose bounds put files in order: the time, and the first sort column."""
    first = [term.column for term in RowOrder.of(table, target).terms[:1]]
    return tuple(table.schema().find_field(name).field_id for name in (target.time_column, *first))


def _without_metrics(task: FileScanTask, columns: Iterable[int]) -> FileScanTask:
    """A file with its sizes and the bounds of some columns: all metrics of a file take kilobytes."""
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask

    file = task.file

    def of_columns(values: Mapping[int, V] | None) -> dict[int, V]:
        return {number: values[number] for number in columns if number in values} if values else {}

    lean = DataFile.from_args(
        content=file.content,
        file_path=file.file_path,
        file_format=file.file_format,
        partition=file.partition,
        record_count=file.record_count,
        file_size_in_bytes=file.file_size_in_bytes,
        column_sizes=file.column_sizes,
        null_value_counts=of_columns(file.null_value_counts),
        lower_bounds=of_columns(file.lower_bounds),
        upper_bounds=of_columns(file.upper_bounds),
        sort_order_id=file.sort_order_id,
    )
    lean.spec_id = file.spec_id
    return FileScanTask(lean, task.delete_files, task.residual)


def _parts(tasks: Iterable[FileScanTask], sizes: FileSizes) -> Iterator[list[FileScanTask]]:
    """Split files, ordered by time, into parts that are rewritten together."""
    part: list[FileScanTask] = []
    size = 0
    for task in tasks:
        if part and size + task.file.file_size_in_bytes > sizes.target * MOST_FILES_OF_TARGET_SIZE:
            yield part
            part, size = [], 0
        part.append(task)
        size += task.file.file_size_in_bytes
    yield part


def _is_worth_it(tasks: list[FileScanTask], sizes: FileSizes, options: CompactOptions) -> bool:
    if any(task.delete_files for task in tasks):
        return True
    afterwards = -(-sum(task.file.file_size_in_bytes for task in tasks) // sizes.target)
    return len(tasks) >= options.min_input_files and afterwards < len(tasks)


class _Coldness:
    """Tells whether the time of a file is past: its day (UTC), or its hour where the table is partitioned by hour.

    Longer partitions are not waited for: in a month that is loaded day by day, the days that are over are cold. A file
    without time bounds is cold: a load that replaces it is first, anyway.
    """

    def __init__(self, table: Table, time_column: str, until: datetime) -> None:
        from pyiceberg.transforms import HourTransform

        self._time_id = time_field(table, time_column).field_id
        self._until = (until - EPOCH) // MICROSECOND
        self._by_hour = {
            spec.spec_id
            for spec in table.metadata.partition_specs
            if any(
                each.source_id == self._time_id and isinstance(each.transform, HourTransform) for each in spec.fields
            )
        }

    def __call__(self, task: FileScanTask) -> bool:
        bounds = time_bounds(task.file, self._time_id)
        unit = _HOUR if task.file.spec_id in self._by_hour else _DAY
        return bounds is None or (bounds[1] // unit + 1) * unit <= self._until

    def first_time(self, task: FileScanTask) -> tuple[int, int]:
        """The first and last time of a file, in microseconds since 1970; a file without bounds sorts first."""
        return time_bounds(task.file, self._time_id) or (-(2**63), -(2**63))
