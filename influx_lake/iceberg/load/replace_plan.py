"""Plans the commit that replaces the files of a window."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influx_lake.iceberg.commit.commit_plan import Change
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.copy_on_write import Merge
from influx_lake.iceberg.merge.point_key import point_key
from influx_lake.iceberg.merge.straddling_rows import StraddlingRows
from influx_lake.iceberg.merge.written_rows import WrittenRows
from influx_lake.iceberg.scan.planning import files_of
from influx_lake.iceberg.scan.reader import arrow_schema
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_load import WindowLoad

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


@dataclass(slots=True)
class Replacement:
    """Plans the commit that replaces the files of a window.

    Attributes:
        load: The load of the window.
        table: The table that the rows were mapped to.
        rows: The number of loaded rows.
        written_rows: The files that hold them.
    """

    load: WindowLoad
    table: Table
    rows: int
    written_rows: WrittenRows
    _merge: Merge | None = None
    _outside: StraddlingRows = field(init=False)

    def __post_init__(self) -> None:
        self._outside = StraddlingRows(self.load.target, self.load.window)

    def plan(self, table: Table) -> Change:
        """Remove the files of the window, but keep their rows outside it, and add the files of the loaded rows."""
        window, target = self.load.window, self.load.target
        with catalog_errors(f"plan the replacement of {window} in {target.name}"):
            found = files_of(table, window, target.time_column)
            kept = [self._outside.of(table, task) for task in found.straddling]
        removed = tuple(task.file for task in (*found.inside, *found.straddling))
        # Rows of straddling files are counted as they are read: other engines may have deleted some.
        previous = sum(task.file.record_count for task in found.inside) + sum(part.inside for part in kept)
        if self.load.guard.keeps_missing(self.rows, previous):
            return self._merged(table)
        return Change(
            removed=removed,
            added=(*self.written_rows.of(table), *(file for part in kept for file in part.files)),
            rows=self.rows,
            previous_rows=previous,
            coverage=table_state(table).coverage.replacing(window, self.load.complete),
        )

    def written(self) -> list[DataFile]:
        """The files of the loaded rows, of rows outside the window, and of rows that were kept."""
        return [*self.written_rows.written(), *self._outside.written(), *(self._merge.written() if self._merge else ())]

    def close(self) -> None:
        """Delete the rows that were buffered for a join."""
        if self._merge is not None:
            self._merge.close()

    def _merged(self, table: Table) -> Change:
        """Join the loaded rows with the window's instead of replacing these."""
        if self._merge is None:
            schema = arrow_schema(self.table.schema())
            merge = Merge(self.load, schema, point_key(self.load.target, schema))
            self._merge = merge
            with closing(self.written_rows.read(schema)) as rows:
                merge.take(rows)
        return self._merge.plan(table)
