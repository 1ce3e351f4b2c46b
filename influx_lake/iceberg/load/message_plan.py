"""Plans the commit of a stream's rows, together with the stream's position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.errors import StreamOvertaken, StreamSetBack
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change, Planner
from influx_lake.iceberg.merge.written_rows import WrittenRows
from influx_lake.iceberg.streams.columns import StreamColumns
from influx_lake.iceberg.streams.position import TIMES, StreamPosition, position_in
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import windows_text
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


@dataclass(slots=True)
class StreamPlan:
    """Plans the commit of a stream's rows, provided that no other process of the stream has added them.

    Attributes:
        planner: Plans the rows.
        target: The table.
        position: The position of the stream after the rows.
        tailed: Determines the windows that are tailed with the rows: time whose points so far are all in the table.
        columns: The tags and fields that the stream has had for the table; None where they do not concern it.
        before: The sequence number of the previous addition, which the table must have; 0 where there was none.
    """

    planner: Planner[Change]
    target: TableTarget
    position: StreamPosition
    tailed: Callable[[], Sequence[Window]] = tuple
    columns: StreamColumns | None = None
    before: int = 0

    def plan(self, table: Table) -> Change:
        """Plan the commit, if the table has the expected position.

        Raises:
            StreamOvertaken: Another process has added these messages, or later ones.
            StreamSetBack: The table lacks what was added to it before.
        """
        held = position_in(table, self.position.stream)
        if held is not None and held.sequence >= self.position.sequence:
            raise StreamOvertaken(
                f"another process of the stream {self.position.stream} has added to {self.target.name} meanwhile",
                remedy="Run one process for each stream; this one has ended, and nothing was added twice",
            )
        if (held.sequence if held else 0) < self.before:
            raise StreamSetBack(
                f"{self.target.name} was rolled back or recreated since {self.position.stream} added to it",
                remedy="The stream adds the messages again, as far as the topics still have them",
            )
        change = self.planner.plan(table)
        share, coverage = share_of(table), change.coverage
        tailed = self.tailed()
        for part in tailed:
            coverage = coverage.tailing(part)
        name = share.value if share else None
        notes = {**change.notes, "influx-lake.tail": "true", **self.position.notes(name)}
        if tailed:
            notes[TIMES] = windows_text(tailed)
        properties = self.position.properties(table, name)
        if self.columns is not None:
            properties |= self.columns.properties(table)
        return replace(change, coverage=coverage, notes=notes, properties=properties)

    def written(self) -> list[DataFile]:
        """The files of the plans."""
        return self.planner.written()


@dataclass(slots=True)
class Beside:
    """Plans files in addition to all that a table holds.

    Attributes:
        files: The files of the rows.
        rows: The number of rows.
    """

    files: WrittenRows
    rows: int

    def plan(self, table: Table) -> Change:
        """Add the files."""
        coverage = table_state(table).coverage
        return Change(
            added=tuple(self.files.of(table)),
            rows=self.rows,
            previous_rows=0,
            coverage=coverage,
            notes={KEPT_ROWS: "1"},
        )

    def written(self) -> list[DataFile]:
        """The files of the rows."""
        return self.files.written()
