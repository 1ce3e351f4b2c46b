"""A point is in the table soon after it was written, and once, whatever else loads its window."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table.snapshots import Operation

from influx_lake.config import Measurement, WriteMode, WriteOptions
from influx_lake.config.measurements.tail import TailOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowShrank
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.state_encoding import COVERAGE as PROPERTY
from influx_lake.iceberg.table_state.state_encoding import TAILS
from influx_lake.replication import window as replicating
from influx_lake.replication.planning.due import open_windows
from influx_lake.replication.status import measurement_status
from influx_lake.replication.tail import TailResult, tail_measurement
from influx_lake.sources.protocol import RowStream
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, SCHEME, day, exact, held, hours, load

LAG = timedelta(minutes=10)
TAILED = changed(CPU, lag=LAG, tail=TailOptions(lag=timedelta(0)))
UPSERTED = changed(TAILED, write=WriteOptions(mode=WriteMode.UPSERT))
APPENDED = changed(TAILED, write=WriteOptions(mode=WriteMode.APPEND), tail=TailOptions(lag=LAG))
MODES = pytest.mark.parametrize("measurement", [TAILED, UPSERTED], ids=["replace", "upsert"])


def at(hour: float) -> datetime:
    return SCHEME.start + timedelta(hours=hour)


def tail(source: FakeSource, catalog: Catalog, hour: float, of: Measurement = TAILED) -> TailResult:
    return tail_measurement(source, catalog, of, run_id="tail", now=at(hour))


def coverage(catalog: Catalog) -> Coverage:
    return table_state(catalog.load_table(CPU.identifier)).coverage


@MODES
def test_each_tail_adds_what_lies_after_the_watermark(
    source: FakeSource, catalog: Catalog, measurement: Measurement
) -> None:
    source.put(day(0), 24)
    assert [tail(source, catalog, hour, measurement).rows for hour in (6, 6, 8.5, 8.75, 24)] == [6, 0, 3, 0, 15]
    assert exact(source, catalog)


def test_the_watermark_is_in_the_commit_of_the_rows_and_the_window_stays_due(
    source: FakeSource, catalog: Catalog
) -> None:
    source.put(day(0), 24)
    tail(source, catalog, 6)
    tail(source, catalog, 7)
    table = catalog.load_table(CPU.identifier)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation is Operation.APPEND
    assert snapshot.summary["influx-lake.watermark"] == "2026-01-01T07:00:00Z"
    assert table.properties[TAILS] == "2026-01-01T00:00:00Z/2026-01-01T07:00:00Z"
    assert PROPERTY not in table.properties
    status = measurement_status(catalog, TAILED, at(40))
    assert (list(status.missing), status.newest) == ([day(0)], at(7))


@MODES
def test_a_seal_makes_a_window_whole_and_compact(
    source: FakeSource, catalog: Catalog, measurement: Measurement
) -> None:
    source.put(day(0), 24)
    for hour in (3, 6, 9, 24):
        tail(source, catalog, hour, measurement)
    source.put(hours(2, 4), 2, host="late")
    load(source, catalog, day(0), measurement)
    table = catalog.load_table(CPU.identifier)
    assert exact(source, catalog)
    assert table.properties[TAILS] == ""
    assert coverage(catalog) == Coverage((day(0),))
    if measurement is TAILED:
        assert len(list(table.scan().plan_files())) == 1


def test_points_that_come_late_to_a_tail_wait_for_the_seal(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 24)
    tail(source, catalog, 6)
    source.put(hours(2, 4), 2, host="late")
    tail(source, catalog, 12)
    assert held(catalog).num_rows == 12
    load(source, catalog, day(0), TAILED)
    assert exact(source, catalog)


def test_what_is_sealed_is_not_tailed(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 24)
    load(source, catalog, day(0), TAILED)
    source.asked.clear()
    assert tail(source, catalog, 12).commits == ()
    assert source.asked == []


def test_at_the_turn_of_a_day_both_windows_are_tailed_until_the_first_is_due(
    source: FakeSource, catalog: Catalog
) -> None:
    source.put(day(0, 2), 48 * 60)
    tail(source, catalog, 23)
    assert list(open_windows(TAILED, at(24) + LAG / 2)) == [day(0), day(1)]
    assert tail(source, catalog, 24 + 5 / 60).rows == 65
    assert list(open_windows(TAILED, at(24) + LAG)) == [day(1)]
    assert tail(source, catalog, 24 + 20 / 60).rows == 15
    assert coverage(catalog).tails == (Window(at(0), at(24 + 20 / 60)),)
    load(source, catalog, day(0), TAILED)
    assert coverage(catalog).tails == (Window(at(24), at(24 + 20 / 60)),)


def test_time_without_points_costs_no_commit(source: FakeSource, catalog: Catalog) -> None:
    source.put(hours(0, 6), 6)
    tail(source, catalog, 6)
    before = catalog.load_table(CPU.identifier).metadata_location
    assert tail(source, catalog, 12).commits == ()
    assert catalog.load_table(CPU.identifier).metadata_location == before
    source.put(hours(7, 8), 3)
    assert tail(source, catalog, 13).rows == 3
    assert exact(source, catalog)


def test_appending_tails_load_for_good(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 24 * 60)
    assert tail(source, catalog, 6, APPENDED).rows == 350
    assert coverage(catalog) == Coverage((Window(at(0), at(6) - LAG),))
    assert tail(source, catalog, 12, APPENDED).rows == 360
    assert list(open_windows(APPENDED, at(24))) == [day(0)]
    load(source, catalog, day(0), APPENDED)
    assert exact(source, catalog)


def test_rows_that_nobody_accounts_for_are_replaced_and_not_doubled(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 24)
    tail(source, catalog, 6)
    theirs = catalog.load_table(CPU.identifier)
    rows = theirs.scan().to_arrow()
    later = pc.add(rows["time"], pa.scalar(timedelta(hours=6)))
    theirs.append(rows.set_column(0, theirs.scan().to_arrow().schema.field("time"), later).slice(0, 2))
    tail(source, catalog, 8)
    assert held(catalog).num_rows == 8
    theirs.refresh()
    theirs.append(rows.set_column(0, rows.schema.field("time"), pc.add(later, pa.scalar(timedelta(hours=2)))))
    source.forget("a")
    with pytest.raises(WindowShrank):
        tail(source, catalog, 9)


def test_a_table_of_before_tails_is_read(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0, 2), 48)
    load(source, catalog, day(0))
    assert TAILS not in catalog.load_table(CPU.identifier).properties
    tail(source, catalog, 30)
    assert held(catalog).num_rows == 30


@dataclass
class Interrupted(FakeSource):
    """Does something else after it was asked and before it answers, or after its last row.

    Attributes:
        before: Done before the rows of the next answers.
        after: Done after them.
    """

    before: list[Callable[[], object]] = field(default_factory=list)
    after: list[Callable[[], object]] = field(default_factory=list)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        before, after = (steps.pop(0) if steps else None for steps in (self.before, self.after))
        if before:
            before()
        with super().read(schema, window) as rows:
            if after:
                batches = list(rows)
                rows.batches = batches  # type: ignore[attr-defined]
                after()
            yield rows


@MODES
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_window_that_is_sealed_while_it_is_tailed(catalog: Catalog, measurement: Measurement, when: str) -> None:
    source = Interrupted()
    source.put(day(0), 24)
    tail(source, catalog, 6, measurement)

    def seal() -> None:
        source.put(hours(3, 12), 9, host="late")
        load(source, catalog, day(0), measurement)

    getattr(source, when).append(seal)
    tail(source, catalog, 12, measurement)
    assert exact(source, catalog)
    assert coverage(catalog) == Coverage((day(0),))


@MODES
def test_a_window_that_is_tailed_while_it_is_sealed(catalog: Catalog, measurement: Measurement) -> None:
    source = Interrupted()
    source.put(day(0), 24)
    tail(source, catalog, 6, measurement)
    source.after.append(lambda: tail(source, catalog, 12, measurement))
    load(source, catalog, day(0), measurement)
    assert exact(source, catalog)
    assert coverage(catalog) == Coverage((day(0),))


def test_a_part_that_was_replaced_while_it_was_tailed_is_read_again(catalog: Catalog) -> None:
    source = Interrupted()
    source.put(day(0), 24)

    def replace_some() -> None:
        source.put(hours(3, 12), 9, host="late")
        # Of a measurement without a tail: it replaces what lies before and after the part, too.
        load(source, catalog, hours(0, 10), CPU)

    source.after.append(replace_some)
    tail(source, catalog, 12)
    assert held(catalog).num_rows == 12 + 9
    assert coverage(catalog) == Coverage((hours(0, 10),), (hours(10, 12),))


def test_replacing_an_open_window_leaves_to_the_tails_what_is_theirs(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Interrupted()
    source.put(day(0), 24 * 60)
    tail(source, catalog, 6)
    source.put(hours(3, 5), 10, host="late")

    class At(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return at(7)

    monkeypatch.setattr(replicating, "datetime", At)
    source.after.append(lambda: tail(source, catalog, 7))
    load(source, catalog, day(0), TAILED)
    assert held(catalog).num_rows == 7 * 60 + 10
    assert coverage(catalog) == Coverage((Window(at(0), at(7) - LAG),), (Window(at(7) - LAG, at(7)),))


@pytest.mark.parametrize("seed", range(3))
def test_tails_seals_and_backfills_at_once(source: FakeSource, catalog: Catalog, seed: int) -> None:
    """Threads in any order; in the end every window is sealed, and each point there once."""
    source.put(day(0, 2), 480)
    tail(source, catalog, 1)
    order, failures = random.Random(seed), list[BaseException]()
    steps: list[Callable[[], object]] = [
        *(lambda hour=hour: tail(source, catalog, hour) for hour in (3, 9, 24, 24.1, 30, 36)),  # type: ignore[misc]
        lambda: load(source, catalog, day(0), TAILED),
        lambda: load(source, catalog, hours(6, 18), TAILED),
    ]
    order.shuffle(steps)

    def run(step: Callable[[], object]) -> None:
        try:
            step()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    times = held(catalog).column("time").to_pylist()
    assert len(times) == len(set(times))
    for number in (0, 1):
        load(source, catalog, day(number), TAILED)
    assert exact(source, catalog)
    assert coverage(catalog) == Coverage((day(0, 2),))
