"""Rows outside a window, or of other measurements, in files that straddle it: rewritten to files of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.written_rows import layout_of
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.writer import DataFileWriter

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table


@dataclass(frozen=True, slots=True)
class Kept:
    """The number of rows of a file that are replaced, and the files of its other rows."""

    inside: int
    files: tuple[DataFile, ...]


@dataclass(slots=True)
class StraddlingRows:
    """Rewrites rows of straddling files that lie outside a window or belong to other measurements, once per file.

    Attributes:
        target: The table, and the options with which its files are written.
    """

    target: TableTarget
    window: Window
    _kept: dict[str, Kept] = field(default_factory=dict)

    def of(self, table: Table, task: FileScanTask) -> Kept:
        """The other rows of a file, without those that delete files delete."""
        seen = "\n".join([layout_of(table), task.file.file_path, *sorted(file.file_path for file in task.delete_files)])
        if seen not in self._kept:
            self._kept[seen] = self._write(table, task)
        return self._kept[seen]

    def written(self) -> list[DataFile]:
        """Every file that was written."""
        return [file for kept in self._kept.values() for file in kept.files]

    def _write(self, table: Table, task: FileScanTask) -> Kept:
        schema, replaced = arrow_schema(table.schema()), RowFilter.of([self.window], table, self.target.time_column)
        writer = DataFileWriter(table, self.target)
        inside = 0
        try:
            for batch in read_tasks(table, [task], None, table.schema()):
                rows = conform(batch, schema)
                rest = rows.filter(pc.invert(replaced.mask(rows)))
                inside += len(batch) - len(rest)
                if len(rest):
                    writer.write(rest)
            return Kept(inside, tuple(writer.finish()))
        except BaseException:
            writer.abort()
            raise
