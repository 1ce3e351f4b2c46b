"""Plans the commit that replaces files with rows to be erased by files without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.iceberg.commit.commit_plan import FileChange
from influx_lake.iceberg.erasing.matching import Matching
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.written_rows import layout_of
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.storage.named_files import manifests_of_all
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.writer import write_files

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

ERASED_ROWS = "influx-lake.erased-rows"
"""The property of a snapshot's summary: the number of rows that were erased."""


@dataclass(slots=True)
class Rewriting:
    """Rewrites each file that has rows to be erased, once, even if the change is planned again.

    Attributes:
        target: How files are written.
        matching: The rows to be erased.
    """

    target: TableTarget
    matching: Matching
    _kept: dict[str, tuple[DataFile, ...]] = field(default_factory=dict)

    def plan(self, table: Table) -> FileChange:
        """Remove the files that have such rows, and add files with the rest of their rows.

        A change without files concerns manifests: those that list files with such rows as removed.
        """
        with catalog_errors(f"rewrite files of {self.target.name}"):
            holding = [task for task in planned_files(table.scan()) if self.matching.count(table, task.file)]
            kept = [file for task in holding for file in self._rest(table, task)]
        rows = sum(self.matching.count(table, task.file) for task in holding)
        return FileChange(
            removed=tuple(task.file for task in holding),
            added=tuple(kept),
            notes={ERASED_ROWS: str(rows)},
            nothing_new=not holding and not self._names_removed(table),
        )

    def _names_removed(self, table: Table) -> bool:
        current = table.current_snapshot()
        manifests = manifests_of_all([current] if current else [], table.io).values()
        return any(self.matching.removed_in(table, manifest) for manifest in manifests)

    def written(self) -> list[DataFile]:
        """Every file that was written."""
        return [file for files in self._kept.values() for file in files]

    def _rest(self, table: Table, task: FileScanTask) -> tuple[DataFile, ...]:
        deletes = sorted(file.file_path for file in task.delete_files)
        seen = "\n".join([layout_of(table), task.file.file_path, *deletes])
        if seen not in self._kept:
            schema = arrow_schema(table.schema())
            rows = self._without(table, task, schema)
            self._kept[seen] = tuple(write_files(table, self.target, rows, schema))
        return self._kept[seen]

    def _without(self, table: Table, task: FileScanTask, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in read_tasks(table, [task], None, table.schema()):
            rows = conform(batch, schema)
            rest = rows.filter(pc.invert(self.matching.mask(rows)))
            if len(rest):
                yield rest
