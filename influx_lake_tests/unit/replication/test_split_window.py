"""A window that is written in parts, by the run that commits it or by others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement, Nanoseconds, TypeOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Every, Scheme, Window
from influx_lake.errors import SourceUnavailable, WindowShrank
from influx_lake.iceberg.parts.records import SUFFIX, PartRecords
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.loading import load_rows
from influx_lake.replication.splitting.cutting import cut
from influx_lake.replication.splitting.helpers import Helpers, NoHelpers, PartsWanted
from influx_lake.replication.window import MeasurementWindow
from influx_lake.sources.protocol import RowStream
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, UPSERTING, day, exact, held

SPLIT = replace(CPU, split=timedelta(hours=6))
PARTS = cut(day(0), timedelta(hours=6), day(0).start)


@dataclass
class Others:
    """Other processes: they write the parts they are given, and leave the others to the caller.

    Attributes:
        source: What they read.
        catalog: The catalog of the table.
        measurement: The measurement.
        write: The parts that they write.
        asked: What was wanted.
    """

    source: FakeSource
    catalog: Catalog
    measurement: Measurement
    write: list[Window]
    asked: list[PartsWanted] = field(default_factory=list)

    @contextmanager
    def help(self, wanted: PartsWanted) -> Iterator[Iterator[Window]]:
        self.asked.append(wanted)
        for part in wanted.parts:
            if part in self.write:
                of_window = window_of(self.source, self.catalog, self.measurement, wanted.window)
                of_window.write_part(part, with_nanoseconds=wanted.with_nanoseconds)
        yield iter([part for part in wanted.parts if part not in self.write])


@pytest.fixture
def source() -> FakeSource:
    source = FakeSource()
    for part in PARTS[::2]:
        source.put(part, 20)
    source.asked.clear()
    return source


def window_of(
    source: FakeSource,
    catalog: Catalog,
    of: Measurement,
    window: Window = PARTS[0],
    helpers: Helpers | None = None,
) -> MeasurementWindow:
    return MeasurementWindow(source, catalog, of, window, "run", helpers=helpers or NoHelpers())


def split(of: Measurement) -> Measurement:
    return replace(of, split=timedelta(hours=6))


def loaded(
    source: FakeSource, catalog: Catalog, of: Measurement = SPLIT, helpers: Helpers | None = None
) -> WindowResult:
    return load_rows(window_of(source, catalog, of, day(0), helpers))


def records(folder: Path) -> list[Path]:
    return [*folder.rglob(f"*{SUFFIX}")]


@pytest.mark.parametrize("of", [CPU, APPENDING, UPSERTING], ids=lambda of: of.write.mode)
def test_each_part_is_read_once_and_all_are_one_commit(source: FakeSource, catalog: Catalog, of: Measurement) -> None:
    done = loaded(source, catalog, split(of))
    assert source.asked == PARTS
    assert exact(source, catalog)
    assert [done.rows, done.window, len(done.table.snapshots())] == [40, day(0), 1]
    assert table_state(done.table).coverage.holds(day(0))


def test_no_record_is_left_of_what_is_committed(source: FakeSource, catalog: Catalog, lake_folder: Path) -> None:
    loaded(source, catalog)
    assert records(lake_folder) == []


def test_parts_that_others_write_are_not_read_again(source: FakeSource, catalog: Catalog) -> None:
    others = Others(source, catalog, SPLIT, write=PARTS[:3])
    loaded(source, catalog, helpers=others)
    assert source.asked == PARTS
    assert [wanted.parts for wanted in others.asked] == [PARTS]
    assert exact(source, catalog)


def test_a_part_that_its_writer_did_not_finish_is_written_alone(source: FakeSource, catalog: Catalog) -> None:
    class Failing(Others):
        @contextmanager
        def help(self, wanted: PartsWanted) -> Iterator[Iterator[Window]]:
            with super().help(wanted):
                yield iter(())

    loaded(source, catalog, helpers=Failing(source, catalog, SPLIT, write=[*PARTS[:2], PARTS[3]]))
    assert source.asked == [PARTS[0], PARTS[1], PARTS[3], PARTS[2]]
    assert exact(source, catalog)


@dataclass
class Away(FakeSource):
    """A source that fails when a part is read.

    Attributes:
        failing: The part.
    """

    failing: Window | None = None

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        if window == self.failing:
            raise SourceUnavailable("away")
        with super().read(schema, window) as rows:
            yield rows


def fail_at(source: FakeSource, catalog: Catalog, part: Window) -> Away:
    """A run that ends where a part is read."""
    away = Away(rows=source.rows, failing=part)
    with pytest.raises(SourceUnavailable):
        loaded(away, catalog)
    away.failing = None
    away.asked.clear()
    return away


def test_what_a_failed_run_wrote_is_taken_up(source: FakeSource, catalog: Catalog) -> None:
    away = fail_at(source, catalog, PARTS[2])
    loaded(away, catalog)
    assert away.asked == PARTS[2:]
    assert exact(away, catalog)


def test_a_part_is_read_again_whose_source_has_other_rows_by_now(source: FakeSource, catalog: Catalog) -> None:
    away = fail_at(source, catalog, PARTS[2])
    away.put(PARTS[0], 3, host="late")
    loaded(away, catalog)
    assert away.asked == [*PARTS[2:], PARTS[0]]
    assert exact(away, catalog)


def test_a_window_is_read_again_that_was_loaded(source: FakeSource, catalog: Catalog) -> None:
    loaded(source, catalog)
    source.asked.clear()
    loaded(source, catalog)
    assert source.asked == PARTS
    assert exact(source, catalog)


def test_parts_are_not_taken_up_once_they_are_committed(
    source: FakeSource, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed after its commit, and before it forgot its parts."""
    monkeypatch.setattr(PartRecords, "forget", lambda self, window: None)
    loaded(source, catalog)
    source.asked.clear()
    source.forget("a")
    source.put(PARTS[0], 20, value=5.0)
    source.put(PARTS[2], 20, value=5.0)
    loaded(source, catalog)
    assert source.asked == PARTS
    assert exact(source, catalog)


def test_a_window_that_would_lose_rows_is_refused(source: FakeSource, catalog: Catalog) -> None:
    loaded(source, catalog)
    before = held(catalog)
    source.rows = source.rows.slice(0, 30)
    with pytest.raises(WindowShrank, match="only 30 rows"):
        loaded(source, catalog)
    assert held(catalog) == before


def test_parts_of_another_definition_are_not_taken_up(source: FakeSource, catalog: Catalog) -> None:
    away = fail_at(source, catalog, PARTS[3])
    loaded(away, catalog, replace(SPLIT, types=TypeOptions(nanoseconds=Nanoseconds.TRUNCATE)))
    assert away.asked == PARTS
    assert exact(away, catalog)


def test_a_part_of_the_open_window_is_read_again(source: FakeSource, catalog: Catalog) -> None:
    """It may have got points since it was read."""
    now = datetime.now(UTC)
    scheme = Scheme(Every.DAY, SPLIT.scheme.window_at(now - timedelta(days=1)).start)
    of, window = replace(SPLIT, scheme=scheme, lag=timedelta(days=1)), scheme.window_at(now)
    parts = cut(window, timedelta(hours=6), window.start)
    source.put(parts[0], 5)
    away = Away(rows=source.rows, failing=parts[3])
    with pytest.raises(SourceUnavailable):
        load_rows(window_of(away, catalog, of, window))
    away.failing = None
    away.asked.clear()
    load_rows(window_of(away, catalog, of, window))
    assert away.asked == parts


@given(
    start=st.integers(0, 10_000), length=st.integers(1, 5_000), split=st.integers(1, 600), before=st.integers(0, 900)
)
def test_parts_cover_a_window_and_touch(start: int, length: int, split: int, before: int) -> None:
    minute = timedelta(minutes=1)
    begin = day(0).start + start * minute
    window = Window(begin, begin + length * minute)
    parts = cut(window, split * minute, begin - before * minute)
    assert [parts[0].start, parts[-1].end] == [window.start, window.end]
    assert all(one.end == other.start for one, other in pairwise(parts))
    assert all(part.end - part.start == split * minute for part in parts[1:-1])
