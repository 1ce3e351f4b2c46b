"""Files that are read as they are, and those that cannot be: the same rows as pyiceberg's scan gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyiceberg.io.pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFile
from pyiceberg.table import FileScanTask
from pyiceberg.types import LongType, StringType

from influx_lake.config import WriteOptions
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window, merged
from influx_lake.iceberg.scan import parquet_reader
from influx_lake.iceberg.scan.reader import count_rows, read_tasks, read_windows
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake_tests.unit.iceberg.tables import SCHEMA, TARGET, day, held, hours, replace, rows, table


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that pyiceberg scanned."""
    files: list[str] = []
    whole = pyiceberg.io.pyarrow._task_to_record_batches

    def noting(io: FileIO, task: FileScanTask, *arguments: Any) -> Iterator[pa.RecordBatch]:
        files.append(task.file.file_path)
        return whole(io, task, *arguments)

    monkeypatch.setattr(pyiceberg.io.pyarrow, "_task_to_record_batches", noting)
    return files


def read(catalog: Catalog, *columns: str, encoded: tuple[str, ...] = ()) -> list[pa.RecordBatch]:
    found = table(catalog)
    scan = found.scan(selected_fields=columns or ("*",))
    return list(read_tasks(found, scan.plan_files(), None, scan.projection(), encoded))


def test_a_whole_file_is_not_scanned(catalog: Catalog, scanned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_reader, "BATCH_ROWS", 100)
    replace(catalog, day(0), rows(day(0), 250))
    expected = table(catalog).scan().to_arrow()
    scanned.clear()
    found = read(catalog)
    assert [len(batch) for batch in found] == [100, 100, 50]
    assert pa.Table.from_batches(found).to_pylist() == expected.to_pylist()
    assert scanned == []


def test_a_file_is_opened_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an object store each opening is a request."""
    replace(catalog, day(0), rows(day(0), 20))
    opened: list[str] = []
    open_file = PyArrowFile.open

    def counted(file: PyArrowFile, seekable: bool = True) -> Any:
        opened.append(file.location)
        return open_file(file, seekable)

    monkeypatch.setattr(PyArrowFile, "open", counted)
    assert held(catalog, [hours(0, 0, 12)]).num_rows == 10
    assert len([path for path in opened if path.endswith(".parquet")]) == 1


def test_only_the_columns_that_are_requested_in_that_order(catalog: Catalog, scanned: list[str]) -> None:
    replace(catalog, day(0), rows(day(0), 20))
    (found,) = read(catalog, "count", "host", encoded=("host",))
    names = table(catalog).scan(selected_fields=("count", "host")).projection().column_names
    assert found.schema.names == names
    assert pa.types.is_dictionary(found.schema.field("host").type)
    assert found.column("host").to_pylist() == [f"host-{i % 7}" for i in range(20)]
    assert found.column("count").to_pylist() == list(range(20))


@pytest.fixture
def sifted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each batch had that was looked at row by row."""
    found: list[int] = []
    sift = RowFilter.sift

    def noting(wanted: RowFilter, batch: pa.RecordBatch, *columns: pa.Array | None) -> pa.RecordBatch:
        found.append(len(batch))
        return sift(wanted, batch, *columns)

    monkeypatch.setattr(RowFilter, "sift", noting)
    return found


def test_of_a_file_with_other_rows_only_those_that_are_requested(catalog: Catalog, scanned: list[str]) -> None:
    replace(catalog, day(0), rows(day(0), 48))
    windows = [hours(0, 6, 12), hours(0, 20, 22)]
    assert held(catalog, windows)["count"].to_pylist() == [*range(12, 24), *range(40, 44)]
    without_time = read_windows(table(catalog), windows, columns=["count"]).read_all()
    assert without_time.to_pydict() == {"count": [*range(12, 24), *range(40, 44)]}
    assert held(catalog, []).num_rows == 0
    assert scanned == []


def test_row_groups_of_other_times_are_not_read(catalog: Catalog, sifted: list[int]) -> None:
    target = changed(TARGET, write=WriteOptions(row_group_size=10_000))
    replace(catalog, day(0), rows(day(0), 40_000), target=target)
    assert held(catalog, [hours(0, 6, 9)]).num_rows == 5000
    assert sum(sifted) == 10_000
    sifted.clear()
    assert held(catalog, [day(0)]).num_rows == 40_000
    assert sifted == [], "the whole of a file needs no look at its times"


@pytest.mark.parametrize("zone", ["UTC", None])
def test_rows_without_a_time_lie_in_no_window(catalog: Catalog, zone: str | None, scanned: list[str]) -> None:
    schema = pa.schema([("time", pa.timestamp("us", zone)), ("v", pa.int64())])
    catalog.create_namespace("made")
    made = catalog.create_table("made.elsewhere", schema=schema)
    times = [None, day(0).start_us - 1, day(0).start_us, day(0).end_us - 1, day(0).end_us, None]
    made.append(pa.table([pa.array(times, pa.timestamp("us", zone)), pa.array(range(6))], schema=schema))
    assert read_windows(made, [day(0)]).read_all()["v"].to_pylist() == [2, 3]
    assert count_rows(made, day(0)) == 2
    assert scanned == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.lists(st.none() | st.integers(-60, 26 * 60), max_size=40),
    asked=st.lists(st.tuples(st.integers(-2, 25), st.integers(1, 5)), max_size=4),
)
def test_a_filter_by_time_is_what_each_row_says(minutes: list[int | None], asked: list[tuple[int, int]]) -> None:
    windows = [Window(day(0).start + timedelta(hours=at), day(0).start + timedelta(hours=at + n)) for at, n in asked]
    times = [None if minute is None else day(0).start_us + minute * 60_000_000 for minute in minutes]
    batch = pa.record_batch([pa.array(range(len(times)), pa.int64())], ["number"])
    found = RowFilter(merged(windows), TIME).sift(batch, pa.array(times, pa.timestamp("us", "UTC")))
    expected = [
        number
        for number, time in enumerate(times)
        if time is not None and any(window.start_us <= time < window.end_us for window in windows)
    ]
    assert found.column("number").to_pylist() == expected


def test_a_file_without_a_column_is_scanned(catalog: Catalog, scanned: list[str]) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    with table(catalog).update_schema() as update:
        update.add_column("room", StringType())
    assert held(catalog)["room"].to_pylist() == [None] * 3
    assert len(scanned) == 1


def test_a_column_that_was_renamed_is_found_by_its_id(catalog: Catalog, scanned: list[str]) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    with table(catalog).update_schema() as update:
        update.rename_column("count", "value.total")
    assert held(catalog)["count"].to_pylist() == [0, 1, 2]
    assert scanned == []


def test_a_file_from_before_a_promotion_is_scanned(catalog: Catalog, scanned: list[str]) -> None:
    narrow = SCHEMA.set(3, pa.field("count", pa.int32()))
    replace(catalog, day(0), rows(day(0), 3).cast(narrow))
    with table(catalog).update_schema() as update:
        update.update_column("count", LongType())
    assert held(catalog)["count"].type == pa.int64()
    assert held(catalog)["count"].to_pylist() == [0, 1, 2]
    assert len(scanned) == 2
