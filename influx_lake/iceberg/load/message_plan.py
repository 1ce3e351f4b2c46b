"""Plans what a stream adds to a table, with how far it is then."""

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
    """Plans what a stream adds, for a table in which nobody else of the stream was as far.

    Attributes:
        planner: Plans the rows.
        target: The table.
        position: How far the stream is with them.
        tailed: Tells the time whose rows, as far as they have come, are in the table then.
        columns: The tags and fields that the stream has had for it; None where these are not its columns.
        before: The sequence of what was added to the table last, which it has to have; 0 where nothing was.
    """

    planner: Planner[Change]
    target: TableTarget
    position: StreamPosition
    tailed: Callable[[], Sequence[Window]] = tuple
    columns: StreamColumns | None = None
    before: int = 0

    def plan(self, table: Table) -> Change:
        """Plan, if the table is as far as it was.

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
                f"{self.target.name} was rolled back, or made anew, since {self.position.stream} added to it",
                remedy="The stream gives it again what it had, as far as the topics still have it",
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
    """Plans files beside all that a table holds.

    Attributes:
        files: The files of the rows.
        rows: How many they are.
    """

    files: WrittenRows
    rows: int

    def plan(self, table: Table) -> Change:
        """Add them."""
        coverage = table_state(table).coverage
        return Change(
            added=tuple(self.files.of(table)),
            rows=self.rows,
            previous_rows=0,
            coverage=coverage,
            notes={KEPT_ROWS: "1"},
        )

    def written(self) -> list[DataFile]:
        """The files."""
        return self.files.written()
