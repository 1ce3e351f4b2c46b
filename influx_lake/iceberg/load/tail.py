"""Tails: adds the new rows of a window that is still open, once, minutes after they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window, utc_text
from influx_lake.iceberg.commit.commit_plan import Change, NothingNew, Overtaken, Planner
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.planning import files_of
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.ownership import check_owner
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import SeenFiles, WindowLoad
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def tail_window(load: WindowLoad, load_part: Callable[[WindowLoad], WindowResult]) -> list[WindowResult]:
    """Add the rows of those parts of a window that neither a load nor a tail has covered: those after the watermark.

    The watermark is in the commit of the rows, so that a tail that is repeated, killed or overtaken adds nothing twice.
    The window is not recorded as covered, and stays due. A part without rows is not committed: the next tail reads it
    again.

    Args:
        load: The load of the window up to now.
        load_part: Loads a part of it: `replace_window` or `upsert_window`.

    Returns:
        The results, one for each part; usually there is one, or none.

    Raises:
        LakeError: Its class tells what can be done about it; the table is unchanged, except after
            `CommitOutcomeUnknown`, and by parts that were added before.
    """
    added: list[WindowResult] = []
    idle: set[Window] = set()
    while True:
        table = find_table(load.catalog, load.target.identifier, load.target.share)
        if table is not None:
            check_owner(table, load.target, load.provenance)
        parts = table_state(table).coverage.not_tailed(load.window) if table else (load.window,)
        part = next((part for part in parts if part not in idle), None)
        if part is None:
            return added
        before = _files(table, part, load.target)
        try:
            added.append(load_part(replace(load, window=part, complete_until=part.start, tail_of=before)))
        except Overtaken:
            continue
        except NothingNew:
            idle.add(part)


@dataclass(slots=True)
class TailPlan:
    """Plans a tail, provided that no other run loaded any of its time since its rows were read.

    Attributes:
        planner: Plans the commit of the part.
        target: The table.
        part: The part.
        before: The files that held rows of the part before it was read.
    """

    planner: Planner[Change]
    target: TableTarget
    part: Window
    before: SeenFiles

    def plan(self, table: Table) -> Change:
        """Plan the commit, if the part is unchanged: otherwise the table's rows may be newer than these.

        Raises:
            Overtaken: It has changed.
        """
        if table_state(table).coverage.not_tailed(self.part) != (self.part,):
            raise Overtaken
        is_same_snapshot = table.metadata.current_snapshot_id == self.before.snapshot_id
        if not is_same_snapshot and _files(table, self.part, self.target).paths != self.before.paths:
            raise Overtaken
        change = self.planner.plan(table)
        notes = {**change.notes, "influx-lake.watermark": utc_text(self.part.end), "influx-lake.tail": "true"}
        idle = not change.added and not change.removed
        return replace(change, coverage=change.coverage.tailing(self.part), notes=notes, nothing_new=idle)

    def written(self) -> list[DataFile]:
        """The files of the part's plans."""
        return self.planner.written()


def _files(table: Table | None, part: Window, target: TableTarget) -> SeenFiles:
    if table is None:
        return SeenFiles(None, frozenset())
    with catalog_errors(f"look for the files of {part} in {target.name}"):
        found = files_of(table, part, target.time_column)
    paths = (file.file_path for task in (*found.inside, *found.straddling) for file in (task.file, *task.delete_files))
    return SeenFiles(table.metadata.current_snapshot_id, frozenset(paths))
