"""Rows outside of a window in files that straddle its bounds: they are rewritten into files of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.written_rows import layout_of
from influx_lake.iceberg.scan.reader import arrow_schema, conform, outside, read_tasks
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.writer import DataFileWriter

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table


@dataclass(frozen=True, slots=True)
class Kept:
    """A file's number of rows inside the window, and the files of those outside."""

    inside: int
    files: tuple[DataFile, ...]


@dataclass(slots=True)
class StraddlingRows:
    """Rewrites the rows of straddling files that lie outside a window, once per file.

    Attributes:
        target: How they are written.
        window: The window.
    """

    target: TableTarget
    window: Window
    _kept: dict[str, Kept] = field(default_factory=dict)

    def of(self, table: Table, task: FileScanTask) -> Kept:
        """The rows of a file outside the window, without those that its delete files delete."""
        seen = "\n".join([layout_of(table), task.file.file_path, *sorted(file.file_path for file in task.delete_files)])
        if seen not in self._kept:
            self._kept[seen] = self._write(table, task)
        return self._kept[seen]

    def written(self) -> list[DataFile]:
        """Every file that was written."""
        return [file for kept in self._kept.values() for file in kept.files]

    def _write(self, table: Table, task: FileScanTask) -> Kept:
        schema = arrow_schema(table.schema())
        writer = DataFileWriter(table, self.target)
        inside = 0
        try:
            for batch in read_tasks(table, [task], None, table.schema()):
                rest = outside(conform(batch, schema), self.window, self.target.time_column)
                inside += len(batch) - len(rest)
                if len(rest):
                    writer.write(rest)
            return Kept(inside, tuple(writer.finish()))
        except BaseException:
            writer.abort()
            raise
