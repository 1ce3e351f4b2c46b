"""A source that can delete, and whose clients, counts, answers and deletes misbehave; and all that it ever took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import SourceTimeout
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake_tests.unit.transforms.memory_source import MemorySource, Row

KEY = ("time", "host", "region")


@dataclass
class FiredSource(MemorySource):
    """Rows in memory, one for each point.

    Attributes:
        accepted: The last value of every field of every point that it ever took.
        on_count: What a count says, of what it should say.
        on_read: Called when rows are asked for.
        on_delete: Called before rows are deleted, with what deletes; it may do that, a part of it, or fail.
    """

    accepted: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    on_count: Callable[[int], int] = lambda count: count
    on_read: Callable[[], None] = lambda: None
    on_delete: Callable[[Callable[[float], None]], None] = lambda delete: delete(1.0)

    def write(self, point: Row) -> None:
        """Take a point: fields of one that is there get new values, the others stay."""
        key = tuple(point.get(name) for name in KEY)
        given = {name: value for name, value in point.items() if value is not None}
        self.accepted[key] = self.accepted.get(key, {}) | given
        for row in self.rows:
            if tuple(row.get(name) for name in KEY) == key:
                row.update(given)
                return
        self.rows.append(dict(given))

    def count(self, measurement: str, window: Window) -> int:
        return self.on_count(super().count(measurement, window))

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[SingleUseRows]:
        self.on_read()
        with super().read(schema, window) as rows:
            yield rows

    def objection(self, measurement: str, window: Window) -> str | None:
        return None

    def delete(self, measurement: str, window: Window) -> None:
        inside = [row for row in self.rows if window.start_us * 1000 <= row["time"] < window.end_us * 1000]

        def delete(share: float) -> None:
            gone = [id(row) for row in inside[: round(len(inside) * share)]]
            # What came meanwhile goes too: a server deletes what it has when it does.
            self.rows = [row for row in self.rows if id(row) not in gone]

        self.on_delete(delete)


def timed_out() -> SourceTimeout:
    """No answer to a delete: it may have taken place."""
    return SourceTimeout("the source did not answer in time", remedy="Try again")
