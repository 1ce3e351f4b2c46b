"""A window that is written in parts and committed as one: the same rows as one that is loaded at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as changed

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.config import OnTypeConflict, TypeOptions, WriteMode, WriteOptions
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.windows import Window
from influx_lake.errors import BranchOutdated, ColumnsChanged, StorageError, WindowShrank
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.write_part import write_part
from influx_lake.iceberg.parts.encoding import decoded, encoded
from influx_lake.iceberg.parts.written_part import WrittenPart
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.modes import load_window
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, hours, replace, rows, stream
from testbed.loads import CheckedBy, load_of

PARTS = [hours(0, 0, 8), hours(0, 8, 9), hours(0, 9, 24)]
"""The second is empty."""
BY_HOST = changed(TARGET, key=("host",))


def written_as(mode: WriteMode, **options: object) -> TableTarget:
    write = WriteOptions.model_validate({"mode": mode, **options})
    return changed(BY_HOST, write=write, partition=(PartitionTerm("hour", "time"), PartitionTerm("identity", "host")))


def rows_of(part: Window) -> list[pa.RecordBatch]:
    return [] if part == PARTS[1] else [rows(part, 40, value=7.0)]


def write(catalog: Catalog, target: TableTarget, part: Window, *batches: pa.RecordBatch) -> WrittenPart:
    """A part as another process gets it."""
    return decoded(encoded(write_part(load_of(catalog, target, stream(*batches), part, PROVENANCE))))


def commit(catalog: Catalog, target: TableTarget, parts: Sequence[WrittenPart], **options: object) -> WindowResult:
    def unread(window: Window) -> None:
        raise AssertionError(f"{window} is read")

    load = load_of(catalog, target, unread, day(0), PROVENANCE, **options)  # type: ignore[arg-type]
    return load_window(changed(load, written=lambda load: [p for p in parts if _within(p.window, load.window)]))


def _within(part: Window, window: Window) -> bool:
    return window.start <= part.start and part.end <= window.end


def at_once(catalog: Catalog, target: TableTarget) -> WindowResult:
    load = load_of(catalog, target, stream(*(batch for part in PARTS for batch in rows_of(part))), day(0), PROVENANCE)
    return load_window(load)


def before(catalog: Catalog, target: TableTarget) -> None:
    """What the table has in the days around, and of the window where that may be."""
    if target.write.mode is not WriteMode.APPEND:
        replace(catalog, day(-1, 3), rows(day(-1, 3), 300), target=changed(target, write=WriteOptions()))


def read_back(table: Table) -> list[tuple[object, ...]]:
    """The rows as DuckDB reads the files of the table's snapshot."""
    files = [task.file.file_path for task in table.scan().plan_files()]
    return duckdb.sql(f"select * from read_parquet({files}, union_by_name = true) order by all").fetchall()


TARGETS = {
    "replace": written_as(WriteMode.REPLACE),
    "replace, sorted": written_as(WriteMode.REPLACE, sort_by=["host", "time"]),
    "append": written_as(WriteMode.APPEND),
    "upsert": written_as(WriteMode.UPSERT),
    "upsert, sorted": written_as(WriteMode.UPSERT, sort_by=["host", "time"]),
    "upsert, merged": written_as(WriteMode.UPSERT, merge_fields=True),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_parts_make_the_same_table_as_the_window_at_once(catalog: Catalog, target: TableTarget) -> None:
    other = changed(target, identifier=("telemetry", "at_once"))
    before(catalog, target)
    before(catalog, other)
    parts = [write(catalog, target, part, *rows_of(part)) for part in PARTS]
    done, expected = commit(catalog, target, parts), at_once(catalog, other)
    assert read_back(done.table) == read_back(expected.table)
    assert [part.rows for part in parts] == [40, 0, 40]
    figures = ("rows", "previous_rows", "first_time", "last_time", "quarantined_rows", "sources")
    assert [getattr(done, name) for name in figures] == [getattr(expected, name) for name in figures]
    assert done.preview.equals(expected.preview)
    assert table_state(done.table).coverage == table_state(expected.table).coverage


def test_files_are_committed_as_they_were_written(catalog: Catalog) -> None:
    target = TARGETS["replace"]
    parts = [write(catalog, target, part, *rows_of(part)) for part in PARTS]
    done = commit(catalog, target, parts)
    there = {task.file.file_path for task in done.table.scan().plan_files()}
    assert there == {file.file_path for part in parts for file in part.files.files}


def test_what_a_guard_stops_can_be_committed_later(catalog: Catalog) -> None:
    def refuse(rows: int, previous_rows: int) -> None:
        raise WindowShrank(f"{rows} for {previous_rows}")

    replace(catalog, day(0), rows(day(0), 100))
    parts = [write(catalog, TARGET, part, *rows_of(part)) for part in PARTS]
    with pytest.raises(WindowShrank, match="80 for 100"):
        commit(catalog, TARGET, parts, guard=CheckedBy(approve=refuse))
    assert held(catalog).num_rows == 100
    assert commit(catalog, TARGET, parts).rows == 80
    assert held(catalog).num_rows == 80


def test_rows_that_would_go_are_kept_where_the_guard_says_so(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    parts = [write(catalog, BY_HOST, part, *rows_of(part)) for part in PARTS]
    done = commit(catalog, BY_HOST, parts, guard=CheckedBy(keeps=lambda rows, previous_rows: True))
    loaded = {(row["time"], row["host"]) for part in PARTS for batch in rows_of(part) for row in batch.to_pylist()}
    before = {(row["time"], row["host"]) for row in rows(day(0), 100).to_pylist()}
    assert done.rows == held(catalog).num_rows == len(loaded | before)


def test_parts_are_committed_once_whoever_does_it(catalog: Catalog) -> None:
    parts = [write(catalog, TARGET, part, *rows_of(part)) for part in PARTS]
    first = commit(catalog, TARGET, parts)
    again = commit(catalog, TARGET, parts)
    assert (again.snapshot_id, again.rows) == (first.snapshot_id, 80)
    assert held(catalog).num_rows == 80


def test_files_that_left_the_table_do_not_come_back(catalog: Catalog) -> None:
    parts = [write(catalog, TARGET, part, *rows_of(part)) for part in PARTS]
    first = commit(catalog, TARGET, parts)
    replace(catalog, day(0), rows(day(0), 5))
    assert commit(catalog, TARGET, parts).snapshot_id == first.snapshot_id
    assert held(catalog).num_rows == 5


def test_parts_whose_commit_was_taken_back_are_to_be_written_again(catalog: Catalog) -> None:
    before = replace(catalog, day(0), rows(day(0), 5))
    parts = [write(catalog, TARGET, part, *rows_of(part)) for part in PARTS]
    commit(catalog, TARGET, parts).table.manage_snapshots().rollback_to_snapshot(before.snapshot_id).commit()
    with pytest.raises(BranchOutdated):
        commit(catalog, TARGET, parts)
    assert held(catalog).num_rows == 5


def test_parts_for_tables_of_other_layouts_are_written_again(catalog: Catalog) -> None:
    """Both parts give a new column the id that is free; another writer took it before they are committed."""
    replace(catalog, day(-1), rows(day(-1), 10))
    wider = [batch.append_column("up", pa.array([True] * len(batch))) for part in PARTS for batch in rows_of(part)]
    first = write(catalog, TARGET, PARTS[0], wider[0])
    with catalog.load_table(TARGET.identifier).update_schema() as update:
        from pyiceberg.types import StringType

        update.add_column("theirs", StringType())
    second = write(catalog, TARGET, PARTS[2], wider[1])
    done = commit(catalog, TARGET, [first, second])
    found = held(catalog, [day(0)])
    assert done.rows == found.num_rows == 80
    assert set(found["up"].to_pylist()) == {True}
    assert found["theirs"].null_count == 80


def test_parts_of_other_columns_are_not_committed_together(catalog: Catalog) -> None:
    first = write(catalog, TARGET, PARTS[0], *rows_of(PARTS[0]))
    wider = rows_of(PARTS[2])[0].append_column("up", pa.array([True] * 40))
    second = write(catalog, TARGET, PARTS[2], wider)
    with pytest.raises(ColumnsChanged):
        commit(catalog, TARGET, [first, second])


def test_rows_for_the_quarantine_are_committed_with_the_others(catalog: Catalog) -> None:
    aside = changed(TARGET, types=TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE))
    replace(catalog, day(-1), rows(day(-1), 10), target=aside)
    values = pa.array([None if i % 4 else "many" for i in range(40)])
    unfit = [rows(part, 40).set_column(3, "count", values) for part in (PARTS[0], PARTS[2])]
    parts = [write(catalog, aside, part, batch) for part, batch in zip((PARTS[0], PARTS[2]), unfit, strict=True)]
    done = commit(catalog, aside, parts)
    assert (done.rows, done.quarantined_rows) == (60, 20)
    assert held(catalog, [day(0)], target=aside).num_rows == 60
    assert held(catalog, [day(0)], target=quarantine_of(aside)).num_rows == 20


def test_a_record_that_is_none_is_named(catalog: Catalog) -> None:
    part = write_part(load_of(catalog, TARGET, stream(), PARTS[1], PROVENANCE))
    with pytest.raises(StorageError, match="cannot be read"):
        decoded(encoded(part)[:-10])
