"""Plans the commit that replaces files by those they were rewritten to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influx_lake.iceberg.commit.commit_plan import FileChange, Overtaken
from influx_lake.iceberg.compaction.rewriting import Rewritten
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.written_rows import layout_of
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.reader import check_readable

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table


@dataclass(slots=True)
class Replacement:
    """Plans the commit of rewritten groups of files.

    A group is left out if another writer replaced its files, or deleted rows of them, since they were read: the
    rewritten files no longer hold the same rows.

    Attributes:
        table: The table that the files were written for.
        rewritten: The rewritten groups.
        replaced: The groups that the last plan replaces.
    """

    table: Table
    rewritten: Sequence[Rewritten]
    replaced: list[Rewritten] = field(default_factory=list)

    def plan(self, table: Table) -> FileChange:
        """Replace the files of all groups that have not changed since they were read.

        Raises:
            Overtaken: All of them have changed.
            CatalogRefused: The table has delete files now that cannot be read.
        """
        check_readable(table)
        with catalog_errors(f"plan the compaction of {'.'.join(table.name())}"):
            tasks = planned_files(table.scan())
        there = {task.file.file_path: task for task in tasks}
        same_layout = layout_of(table) == layout_of(self.table)
        self.replaced = [each for each in self.rewritten if same_layout and _is_as_read(each, there)]
        if not self.replaced:
            raise Overtaken
        removed = {task.file.file_path: task for each in self.replaced for task in each.group.tasks}
        staying = {
            deletes.file_path for task in tasks if task.file.file_path not in removed for deletes in task.delete_files
        }
        deletes = {
            each.file_path: each
            for task in removed.values()
            for each in task.delete_files
            if each.file_path not in staying
        }
        return FileChange(
            removed=tuple(there[path].file for path in removed),
            added=tuple(file for each in self.replaced for file in each.files),
            deletes=tuple(deletes.values()),
            notes={"influx-lake.rows": str(sum(each.rows for each in self.replaced))},
        )

    def written(self) -> list[DataFile]:
        """The rewritten files of all groups."""
        return [file for each in self.rewritten for file in each.files]


def is_there(table: Table, tasks: Sequence[FileScanTask]) -> bool:
    """Whether a table still has data files with the same delete files as when they were read."""
    there = {task.file.file_path: task for task in planned_files(table.scan())}
    return all(_is_same(task, there.get(task.file.file_path)) for task in tasks)


def _is_as_read(rewritten: Rewritten, there: dict[str, FileScanTask]) -> bool:
    return all(_is_same(task, there.get(task.file.file_path)) for task in rewritten.group.tasks)


def _is_same(task: FileScanTask, now: FileScanTask | None) -> bool:
    return now is not None and _paths(task) == _paths(now)


def _paths(task: FileScanTask) -> frozenset[str]:
    return frozenset(file.file_path for file in task.delete_files)
