"""Files that are read as they are, and those that cannot be: the same rows as pyiceberg's scan gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyiceberg.io.pyarrow
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io import FileIO
from pyiceberg.table import FileScanTask
from pyiceberg.types import LongType, StringType

from influx_lake.iceberg import stored_rows
from influx_lake.iceberg.reader import read_tasks
from influx_lake_tests.unit.iceberg.tables import SCHEMA, day, held, hours, replace, rows, table


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
    return list(read_tasks(found, scan.plan_files(), AlwaysTrue(), scan.projection(), encoded))


def test_a_whole_file_is_not_scanned(catalog: Catalog, scanned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_rows, "BATCH_ROWS", 100)
    replace(catalog, day(0), rows(day(0), 250))
    expected = table(catalog).scan().to_arrow()
    scanned.clear()
    found = read(catalog)
    assert [len(batch) for batch in found] == [100, 100, 50]
    assert pa.Table.from_batches(found).to_pylist() == expected.to_pylist()
    assert scanned == []


def test_only_the_columns_that_are_asked_for_in_that_order(catalog: Catalog, scanned: list[str]) -> None:
    replace(catalog, day(0), rows(day(0), 20))
    (found,) = read(catalog, "count", "host", encoded=("host",))
    names = table(catalog).scan(selected_fields=("count", "host")).projection().column_names
    assert found.schema.names == names
    assert pa.types.is_dictionary(found.schema.field("host").type)
    assert found.column("host").to_pylist() == [f"host-{i % 7}" for i in range(20)]
    assert found.column("count").to_pylist() == list(range(20))


def test_a_file_with_other_rows_is_scanned_for_those_that_are_asked_for(catalog: Catalog, scanned: list[str]) -> None:
    replace(catalog, day(0), rows(day(0), 48))
    assert held(catalog, [hours(0, 6, 12)])["count"].to_pylist() == list(range(12, 24))
    assert len(scanned) == 1


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
    assert held(catalog)["value.total"].to_pylist() == [0, 1, 2]
    assert scanned == []


def test_a_file_from_before_a_promotion_is_scanned(catalog: Catalog, scanned: list[str]) -> None:
    narrow = SCHEMA.set(3, pa.field("count", pa.int32()))
    replace(catalog, day(0), rows(day(0), 3).cast(narrow))
    with table(catalog).update_schema() as update:
        update.update_column("count", LongType())
    assert held(catalog)["count"].type == pa.int64()
    assert held(catalog)["count"].to_pylist() == [0, 1, 2]
    assert len(scanned) == 2
