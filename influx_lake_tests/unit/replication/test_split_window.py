"""A window that is written in parts, by the run that commits it or by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement, Nanoseconds, TypeOptions
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Every, Scheme, Window
from influx_lake.errors import SourceUnavailable, WindowShrank, WindowTooLarge
from influx_lake.iceberg.parts.records import PartRecords
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.loading import load_rows
from influx_lake.replication.splitting.helpers import PartsWanted
from influx_lake.replication.splitting.part_bounds import cut
from influx_lake.sources.protocol import RowStream
from influx_lake_tests.unit.replication.fake_source import FakeSource, Stream
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, UPSERTING, day, exact, held
from influx_lake_tests.unit.replication.split_windows import (
    PARTS,
    SPLIT,
    Others,
    loaded,
    records,
    source_of_parts,
    split,
    window_of,
)


@pytest.fixture
def source() -> FakeSource:
    return source_of_parts()


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


def test_what_a_failed_run_wrote_is_taken_up(source: FakeSource, catalog: Catalog, written: list[Window]) -> None:
    away = fail_at(source, catalog, PARTS[2])
    written.clear()
    loaded(away, catalog)
    assert written == PARTS[2:]
    assert exact(away, catalog)


def test_what_several_failed_runs_wrote_is_taken_up(
    source: FakeSource, catalog: Catalog, written: list[Window]
) -> None:
    fail_at(source, catalog, PARTS[2])
    away = fail_at(source, catalog, PARTS[3])
    written.clear()
    loaded(away, catalog)
    assert written == PARTS[3:]
    assert exact(away, catalog)


def corrected_value(source: FakeSource) -> None:
    """One point is written again, and another: their sum, their number and the largest value are the same."""
    source.rows = source.rows.set_column(2, "value", pa.array([1.0, -1.0, *[0.0] * 38]))


CHANGES: dict[str, Callable[[FakeSource], None]] = {
    "more rows": lambda source: source.put(PARTS[0], 3, host="late"),
    "another value": lambda source: setattr(
        source, "rows", source.rows.set_column(2, "value", pa.array([7.0, *[0.0] * 39]))
    ),
    "values that add up": corrected_value,
    "another host of a name as long": lambda source: setattr(
        source, "rows", source.rows.set_column(1, "host", pa.array(["b", *["a"] * 39]))
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_part_is_written_again_whose_source_has_other_rows_by_now(
    source: FakeSource, catalog: Catalog, written: list[Window], change: str
) -> None:
    away = fail_at(source, catalog, PARTS[2])
    CHANGES[change](away)
    written.clear()
    loaded(away, catalog)
    assert written == [PARTS[0], *PARTS[2:]]
    assert exact(away, catalog)


def test_other_processes_take_up_what_was_written(source: FakeSource, catalog: Catalog, written: list[Window]) -> None:
    away = fail_at(source, catalog, PARTS[3])
    corrected_value(away)
    written.clear()
    away.asked.clear()
    loaded(away, catalog, helpers=Others(away, catalog, SPLIT, write=PARTS[:3]))
    assert written == [PARTS[0], PARTS[3]]
    # Once to compare them with what was written, and the one that differs once more.
    assert away.asked == [PARTS[0], *PARTS]
    assert exact(away, catalog)


def test_a_record_that_a_killed_process_left_half_written_is_none(
    source: FakeSource, catalog: Catalog, lake_folder: Path, written: list[Window]
) -> None:
    away = fail_at(source, catalog, PARTS[3])
    [first, *_] = sorted(records(lake_folder))
    first.write_bytes(first.read_bytes()[:200])
    written.clear()
    loaded(away, catalog)
    assert written == [PARTS[0], PARTS[3]]
    assert exact(away, catalog)


def test_a_load_that_replaces_reads_all_parts_again(source: FakeSource, catalog: Catalog) -> None:
    away = fail_at(source, catalog, PARTS[2])
    loaded(away, catalog, SPLIT.replacing_all())
    assert away.asked == PARTS


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


@dataclass
class Growing(FakeSource):
    """A source whose measurement gets a column while its first part is read."""

    def schema(self, measurement: str) -> MeasurementSchema:
        found = super().schema(measurement)
        more = Column("late", Role.FIELD, ColumnType.FLOAT)
        return replace(found, columns=(*found.columns, more)) if self.asked else found


def test_all_parts_have_the_columns_that_the_source_had_at_first(source: FakeSource, catalog: Catalog) -> None:
    growing = Growing(rows=source.rows)
    loaded(growing, catalog)
    assert growing.asked == PARTS
    assert exact(growing, catalog)


@dataclass
class Wider(FakeSource):
    """The source as a process has it that asks it a moment later: the measurement has a column more."""

    def schema(self, measurement: str) -> MeasurementSchema:
        found = super().schema(measurement)
        return replace(found, columns=(*found.columns, Column("late", Role.FIELD, ColumnType.FLOAT)))

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        with super().read(schema, window) as rows:
            late = pa.field("late", pa.float64())
            wide = [batch.append_column(late, pa.nulls(len(batch), pa.float64())) for batch in rows]
            yield Stream(rows.schema.append(late), wide)


def test_parts_of_others_that_saw_other_columns_are_written_again(source: FakeSource, catalog: Catalog) -> None:
    others = Others(Wider(rows=source.rows), catalog, SPLIT, write=PARTS[:2])
    loaded(source, catalog, helpers=others)
    assert source.asked == [*PARTS[2:], *PARTS[:2]]
    assert exact(source, catalog)


def test_the_rows_of_all_parts_are_limited(source: FakeSource, catalog: Catalog) -> None:
    with pytest.raises(WindowTooLarge, match="more than 39 rows"):
        loaded(source, catalog, replace(SPLIT, max_window_rows=39))
    assert loaded(source, catalog, replace(SPLIT, max_window_rows=40)).rows == 40


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
