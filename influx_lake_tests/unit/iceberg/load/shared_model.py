"""A model of a shared table: what its rows are after each load, delete and rewrite."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan

from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.windows import Window
from influx_lake.errors import RowsUnaccounted
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.scan.reader import count_rows, find_table, read_windows
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake_tests.unit.iceberg.load.shared_rows import (
    FIELDS,
    NAME,
    Key,
    Points,
    batch,
    held,
    source,
    state,
    target,
    view,
)
from influx_lake_tests.unit.iceberg.tables import Batches, day
from testbed.loads import load_of

LAYOUTS: dict[str, tuple[PartitionTerm, ...] | None] = {
    "by day and measurement": None,
    "by day": (PartitionTerm("day", "time"),),
    "none": (),
    "by host": (PartitionTerm("bucket", "host", 2),),
    "by measurement": (PartitionTerm("truncate", "measurement", 2),),
}


@dataclass
class Model:
    """The table, and what should be in it."""

    catalog: Catalog
    layout: tuple[PartitionTerm, ...] | None
    rows: dict[Key, float] = field(default_factory=dict)

    def within(self, measurement: str, windows: Iterable[Window]) -> set[Key]:
        parts = [(step_of(window.start_us), step_of(window.end_us)) for window in windows]
        return {key for key in self.rows if key[0] == measurement and any(a <= key[1] < b for a, b in parts)}

    def load(self, way: str, measurement: str, window: Window, points: Points) -> None:
        others = {name: state(self.catalog, name) for name in FIELDS if name != measurement}
        gaps = {
            "append": state(self.catalog, measurement).coverage.gaps(window),
            "tail": state(self.catalog, measurement).coverage.not_tailed(window),
        }.get(way, (window,))
        load = load_of(
            self.catalog,
            target(measurement, partition=self.layout),
            lambda part: nullcontext(self._of(measurement, part, points)),
            window,
            source(measurement),
        )
        if way == "append" and self.within(measurement, gaps):
            with pytest.raises(RowsUnaccounted):
                append_window(load)
            gaps = ()
        elif way == "append":
            append_window(load)
        elif way == "tail":
            tail_window(load, replace_window)
        elif way == "upsert":
            upsert_window(load)
        else:
            replace_window(load)
        if way != "upsert":
            for key in self.within(measurement, gaps):
                del self.rows[key]
        for (step, host), value in points.items():
            if any(step_of(gap.start_us) <= step < step_of(gap.end_us) for gap in gaps):
                self.rows[measurement, step, host] = value
        for name, before in others.items():
            after = state(self.catalog, name)
            assert (after.coverage, after.owner, after.lost) == (before.coverage, before.owner, before.lost)

    def _of(self, measurement: str, part: Window, points: Points) -> Batches:
        inside = {
            key: value for key, value in points.items() if step_of(part.start_us) <= key[0] < step_of(part.end_us)
        }
        rows = batch(measurement, inside)
        return Batches(rows.schema, [rows] if inside else [])

    def delete(self, measurement: str | None, window: Window) -> None:
        """Rows go that others delete."""
        table = find_table(self.catalog, NAME)
        if table is None:
            return
        since = GreaterThanOrEqual("time", f"{window.start:%Y-%m-%dT%H:%M:%S}+00:00")  # type: ignore[call-arg,arg-type]
        until = LessThan("time", f"{window.end:%Y-%m-%dT%H:%M:%S}+00:00")  # type: ignore[call-arg,arg-type]
        wanted: Any = And(since, until)
        if measurement is not None:
            wanted = And(wanted, EqualTo("measurement", measurement))  # type: ignore[call-arg,arg-type]
        before = {name: state(self.catalog, name).coverage for name in FIELDS}
        table.delete(wanted)
        gone = {name: self.within(name, [window]) if measurement in (None, name) else set() for name in FIELDS}
        for key in set().union(*gone.values()):
            del self.rows[key]
        for name in FIELDS:
            after = state(self.catalog, name).coverage
            # Of a table that was emptied nothing is loaded, whoever had no rows in it.
            if not gone[name] and self.rows:
                assert after == before[name], "nothing of it went"
            for _, step, _ in gone[name]:
                assert not after.holds(window_of(step, 1)), "what is gone is no longer loaded"

    def rewrite(self) -> None:
        """Others write all rows into files with those of several measurements."""
        table = find_table(self.catalog, NAME)
        if table is not None and table.current_snapshot() is not None:
            before = {name: state(self.catalog, name).coverage for name in FIELDS}
            rows = table.scan().to_arrow()
            with table.transaction() as transaction:
                with transaction.update_spec() as spec:
                    for each in table.spec().fields:
                        spec.remove_field(each.name)
                transaction.overwrite(rows)
            for name in FIELDS:
                assert state(self.catalog, name).coverage == before[name], "every row is still there"

    def check(self) -> None:
        if find_table(self.catalog, NAME) is None:
            assert not self.rows
            return
        assert held(self.catalog) == self.rows
        for name in FIELDS:
            table, windows = view(self.catalog, name), [day(0), day(1)]
            expected = [len(self.within(name, [window])) for window in windows]
            assert [count_rows(table, window) for window in windows] == expected
            assert count_by_window(table, windows) == expected
            if "measurement" in table.schema().column_names:
                assert read_windows(table, windows, columns=["measurement"]).read_all().num_rows == sum(expected)


def step_of(moment_us: int) -> int:
    return (moment_us - day(0).start_us) // 1_800_000_000


def window_of(step: int, steps: int) -> Window:
    start = day(0).start + timedelta(minutes=30 * step)
    return Window(start, start + timedelta(minutes=30 * steps))
