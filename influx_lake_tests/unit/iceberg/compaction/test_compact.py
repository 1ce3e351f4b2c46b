"""Compaction: fewer files, the same rows, and all that is known of the table still known."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table.snapshots import Operation

from influx_lake.config import WriteOptions
from influx_lake.config.maintenance.options import CompactOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.windows import Window
from influx_lake.errors import RowsDiffer, StorageError
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.commit import committer as committing
from influx_lake.iceberg.compaction import rewriting
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.table_state import current_state, table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.compaction.deletes import delete_equal, delete_rows
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, replace, rows, stream, table
from testbed.loads import load_of

LATER = datetime(2026, 3, 1, tzinfo=UTC)
BY_POINT = changed(TARGET, key=("host", "count"))


def task_of(catalog: Catalog, target: TableTarget = TARGET, **options: Any) -> TableTask:
    return TableTask(catalog, target, "maintenance-1", **{"now": LATER, **options})


def compacted(catalog: Catalog, target: TableTarget = TARGET, *, now: datetime = LATER, **options: Any) -> Maintained:
    return compact(task_of(catalog, target, now=now), CompactOptions(**options))


def hour(number: int, at: int) -> Window:
    start = day(number).start + timedelta(hours=at)
    return Window(start, start + timedelta(hours=1))


def load_hours(catalog: Catalog, number: int = 0, count: int = 6, target: TableTarget = TARGET) -> None:
    for at in range(count):
        replace(catalog, hour(number, at), rows(hour(number, at), 50, value=at), target=target)


def files(catalog: Catalog) -> list[Any]:
    return [task.file for task in table(catalog).scan().plan_files()]


def in_order(found: pa.Table) -> pa.Table:
    return found.sort_by([(name, "ascending") for name in ("time", "host", "count", "value")])


def assert_known_at_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """No manifest is read to know what is loaded."""
    monkeypatch.setattr(current_state, "_followed", None)
    table_state(table(catalog))


def test_small_files_become_one_with_the_same_rows(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    load_hours(catalog)
    load_hours(catalog, 1)
    before, state = held(catalog), table_state(table(catalog))
    done = compacted(catalog)
    assert (done.before.data_files, done.after.data_files, done.after.rows) == (12, 2, 600)
    assert done.done | {"bytes_removed": 0, "bytes_added": 0} == {
        "partitions": 2,
        "files_removed": 12,
        "files_added": 2,
        "bytes_removed": 0,
        "bytes_added": 0,
        "delete_files_removed": 0,
        "rows": 600,
        "snapshots": 1,
    }
    assert held(catalog) == before
    snapshot = table(catalog).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.snapshot_id == done.snapshot_id
    assert snapshot.summary.operation is Operation.REPLACE
    assert (snapshot.summary["total-records"], snapshot.summary["total-data-files"]) == ("600", "2")
    assert (snapshot.summary["influx-lake.maintenance"], snapshot.summary["influx-lake.run-id"]) == (
        "compact",
        "maintenance-1",
    )
    assert_known_at_once(catalog, monkeypatch)
    assert table_state(table(catalog)) == state
    assert compacted(catalog).done == {}


def test_what_is_loaded_is_known_when_the_snapshots_of_loads_are_gone(catalog: Catalog) -> None:
    load_hours(catalog)
    state = table_state(table(catalog))
    compacted(catalog)
    found = table(catalog)
    ids = [each.snapshot_id for each in found.metadata.snapshots][:-1]
    found.maintenance.expire_snapshots().by_ids(ids).commit()
    assert table_state(table(catalog)) == state
    table(catalog).append(table(catalog).scan().to_arrow().slice(0, 1))
    assert table_state(table(catalog)).coverage == state.coverage
    assert replace(catalog, hour(0, 0), rows(hour(0, 0), 60)).previous_rows == 51


def test_a_dry_run_changes_nothing(catalog: Catalog) -> None:
    load_hours(catalog)
    location = table(catalog).metadata_location
    done = compact(task_of(catalog, dry_run=True), CompactOptions())
    assert (done.done["files_removed"], done.done["files_added"], done.snapshot_id) == (6, 1, None)
    assert (table(catalog).metadata_location, done.after) == (location, done.before)


def test_a_day_that_is_not_over_is_left(catalog: Catalog) -> None:
    load_hours(catalog)
    load_hours(catalog, 1)
    second_day_over = day(1).end
    done = compacted(catalog, now=second_day_over + timedelta(hours=1))
    assert (done.after.data_files, done.left) == (
        7,
        ("6 small files of time that is not past, or past for less than `after`",),
    )
    assert compacted(catalog, now=second_day_over + timedelta(hours=2)).after.data_files == 2


def test_hours_are_distinguished_where_the_table_is_partitioned_by_them(catalog: Catalog) -> None:
    target = changed(TARGET, partition=(PartitionTerm("hour", "time"),))
    for part in range(4):
        for at in range(2):
            window = Window(
                hour(0, at).start + timedelta(minutes=15 * part), hour(0, at).start + timedelta(minutes=15 * (part + 1))
            )
            replace(catalog, window, rows(window, 10), target=target)
    assert (
        compacted(
            catalog, target, now=hour(0, 1).end + timedelta(minutes=30), after=timedelta(hours=1)
        ).after.data_files
        == 5
    )


def test_an_unpartitioned_table_is_compacted_by_the_time_of_its_files(catalog: Catalog) -> None:
    target = changed(TARGET, partition=())
    load_hours(catalog, 0, 3, target)
    load_hours(catalog, 1, 3, target)
    assert compacted(catalog, target, now=day(1).start + timedelta(hours=5)).after.data_files == 4
    assert compacted(catalog, target).after.data_files == 1


@pytest.mark.parametrize("terms", [("host", "time"), ("time",), ("value",)])
@pytest.mark.parametrize("hours_of_day", [3, 20])
def test_sorted_files_are_merged(terms: tuple[str, ...], hours_of_day: int, catalog: Catalog) -> None:
    order = tuple(SortTerm(name, descending=name == "time") for name in terms)
    target = changed(TARGET, write=WriteOptions(sort_by=order))
    load_hours(catalog, 0, hours_of_day, target)
    before = in_order(held(catalog))
    compacted(catalog, target)
    [file] = files(catalog)
    assert file.sort_order_id == table(catalog).sort_order().order_id
    found = table(catalog).scan().to_arrow()
    assert in_order(found) == before
    keys = [(name, "descending" if name == "time" else "ascending") for name in terms]
    assert found.select(terms) == found.sort_by(keys).select(terms)


def test_files_that_were_not_sorted_are(catalog: Catalog) -> None:
    load_hours(catalog)
    target = changed(TARGET, write=WriteOptions(sort_by=(SortTerm("host"), SortTerm("time"))))
    replace(catalog, hour(0, 7), rows(hour(0, 7), 50), target=target)
    compacted(catalog, target)
    [file] = files(catalog)
    assert file.sort_order_id == table(catalog).sort_order().order_id
    found = table(catalog).scan().to_arrow()
    assert found == found.sort_by([("host", "ascending"), ("time", "ascending")])


def test_files_are_of_the_target_size(catalog: Catalog) -> None:
    target = changed(TARGET, write=WriteOptions(target_file_size=20_000, compression="none"))
    for at in range(12):
        replace(catalog, hour(0, at), rows(hour(0, at), 1_500, value=at), target=target)
    compacted(catalog, target)
    sizes = [file.file_size_in_bytes for file in files(catalog)]
    assert 1 < len(sizes) <= sum(sizes) // 20_000 + 1
    assert max(sizes) < 60_000
    assert held(catalog).num_rows == 18_000


def test_one_hour_of_a_compacted_day_replaces_that_days_file_only(catalog: Catalog) -> None:
    for number in range(3):
        load_hours(catalog, number)
    compacted(catalog)
    before = {file.file_path for file in files(catalog)}
    done = replace(catalog, hour(1, 3), rows(hour(1, 3), 70))
    assert (done.files_removed, len(before & {file.file_path for file in files(catalog)})) == (1, 2)
    assert (done.previous_rows, done.total_rows) == (50, 920)


def test_rows_that_others_deleted_are_gone_for_good(catalog: Catalog) -> None:
    load_hours(catalog, 0, 4)
    first, second, third, _ = files(catalog)
    delete_rows(catalog, [(first, range(10)), (second, range(5))])
    delete_rows(catalog, [(third, range(3))])
    before = held(catalog)
    assert before.num_rows == 200 - 18
    done = compacted(catalog)
    assert (done.before.delete_files, done.after.delete_files, done.done["delete_files_removed"]) == (2, 0, 2)
    assert held(catalog) == before
    assert (done.after.data_files, done.after.rows) == (1, 182)


def test_one_file_with_deletes_is_rewritten(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    delete_rows(catalog, [(files(catalog)[0], range(100))])
    done = compacted(catalog)
    assert (done.after.data_files, done.after.delete_files, held(catalog).num_rows) == (0, 0, 0)


def test_equality_deletes_are_reported(catalog: Catalog) -> None:
    load_hours(catalog)
    delete_equal(catalog, files(catalog)[0], "host-1")
    location = table(catalog).metadata_location
    [left] = compacted(catalog).left
    assert "equality deletes" in left
    assert "rewrite_data_files" in left
    assert table(catalog).metadata_location == location


def test_a_load_comes_first_and_what_it_replaced_is_compacted_with_the_rest(catalog: Catalog) -> None:
    """The compaction of the other day takes place; that of the load's day is planned again."""
    load_hours(catalog)
    load_hours(catalog, 1)
    real = rewriting.rewrite
    written: list[str] = []

    def rewrite(*arguments: Any) -> rewriting.Rewritten:
        done = real(*arguments)
        written.append(done.group.partition)
        if len(written) == 2:
            replace(catalog, hour(1, 2), rows(hour(1, 2), 80))
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("influx_lake.iceberg.maintenance.compact.rewrite", rewrite)
        done = compacted(catalog)
    assert (done.after.data_files, done.after.rows, done.done["snapshots"]) == (2, 630, 2)
    assert written[-1] == written[1]
    assert held(catalog, [hour(1, 2)]).num_rows == 80


@pytest.mark.parametrize("how", ["replace", "upsert", "merge", "tail"])
def test_a_load_does_not_fail_because_of_a_compaction(
    how: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compaction, of another machine, is committed after the load has planned, and before it commits."""
    monkeypatch.setattr(committing, "commit_lock", lambda name: nullcontext())
    target = BY_POINT if how != "merge" else changed(BY_POINT, write=WriteOptions(merge_fields=True))
    load_hours(catalog, target=target)
    coming = rows(hour(0, 2), 50, value=1000)
    interfering = Interfering(catalog)
    ask = interfering.commit_table
    compactions: list[Maintained] = []

    def commit_table(*arguments: Any) -> Any:
        interfering.commit_table = ask
        catalog.commit_table = ask  # type: ignore[method-assign]
        compactions.append(compacted(catalog, target))
        return ask(*arguments)

    interfering.commit_table = commit_table
    if how == "replace":
        replace_window(load_of(catalog, target, stream(coming), hour(0, 2), PROVENANCE))
    elif how == "tail":
        coming = rows(hour(0, 6), 50, value=1000)
        tail_window(load_of(catalog, target, stream(coming), hour(0, 6), PROVENANCE), replace_window)
    else:
        upsert_window(load_of(catalog, target, stream(coming), hour(0, 2), PROVENANCE))
    [done] = compactions
    assert done.after.data_files == 1
    window = hour(0, 6) if how == "tail" else hour(0, 2)
    assert held(catalog, [window])["value"].to_pylist() == coming["value"].to_pylist()
    assert held(catalog).num_rows == (350 if how == "tail" else 300)


def test_rows_that_differ_are_never_committed(
    catalog: Catalog, lake_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_hours(catalog)
    before, there = table(catalog).metadata_location, set(lake_folder.rglob("*.parquet"))
    write = rewriting.DataFileWriter.write

    def writing(self: rewriting.DataFileWriter, batch: pa.RecordBatch) -> None:
        number = batch.schema.get_field_index("value")
        write(self, batch.set_column(number, "value", batch["value"].take(pa.array([1, 0, *range(2, len(batch))]))))

    monkeypatch.setattr(rewriting.DataFileWriter, "write", writing)
    with pytest.raises(RowsDiffer, match="do not hold the same rows: 300 instead of 300, or other values"):
        compacted(catalog)
    assert (table(catalog).metadata_location, set(lake_folder.rglob("*.parquet"))) == (before, there)


def test_a_file_that_vanished_is_named_and_the_others_are_compacted(catalog: Catalog) -> None:
    load_hours(catalog)
    load_hours(catalog, 1)
    gone = next(file for file in files(catalog) if "time_day=2026-01-01" in file.file_path)
    Path(gone.file_path.removeprefix("file://")).unlink()
    with pytest.raises(StorageError, match=Path(gone.file_path).name):
        compacted(catalog)
    assert len(files(catalog)) == 7
    assert held(catalog, [day(1)]).num_rows == 300


def test_a_table_of_several_measurements(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [Share("measurement", name) for name in ("cpu", "mem")]
    for share in shares:
        for at in range(4):
            batch = rows(hour(0, at), 20)
            named = batch.append_column("measurement", pa.array([share.value] * len(batch)))
            replace(catalog, hour(0, at), named, target=changed(TARGET, share=share))
    states = [table_state(as_known(table(catalog), share=share)) for share in shares]
    done = compacted(catalog)
    assert (done.before.data_files, done.after.data_files) == (8, 2)
    assert_known_at_once(catalog, monkeypatch)
    assert [table_state(as_known(table(catalog), share=share)) for share in shares] == states


def test_a_table_of_somebody_else_stays_nobodys(catalog: Catalog) -> None:
    load_hours(catalog)
    found = table(catalog)
    other = catalog.create_table("telemetry.other", found.schema(), partition_spec=found.spec())
    for _ in range(3):
        other.append(found.scan().to_arrow())
    target = changed(TARGET, identifier=("telemetry", "other"))
    done = compacted(catalog, target)
    assert (done.after.data_files, done.after.rows) == (1, 900)
    state = table_state(table(catalog, target))
    assert (state.owner, state.coverage.intervals) == (None, ())
    assert not [key for key in table(catalog, target).properties if key.startswith("influx-lake")]


def test_what_others_did_is_still_reported_after_it(catalog: Catalog) -> None:
    load_hours(catalog)
    table(catalog).append(table(catalog).scan().to_arrow().slice(0, 5))
    told = table_state(table(catalog))
    assert told.added
    compacted(catalog)
    state = table_state(table(catalog))
    assert (state.coverage, state.added, state.earlier) == (told.coverage, told.added, told.changes)


def test_columns_that_came_later_are_null(catalog: Catalog) -> None:
    load_hours(catalog, 0, 3)
    window = hour(0, 4)
    grown = rows(window, 50).append_column("later", pa.array(["x"] * 50))
    replace(catalog, window, grown)
    before = held(catalog)
    compacted(catalog)
    assert held(catalog) == before
    assert len(files(catalog)) == 1


def test_a_column_that_the_table_was_partitioned_by_is_dropped(catalog: Catalog) -> None:
    by_host = changed(TARGET, partition=(PartitionTerm("day", "time"), PartitionTerm("identity", "host")))
    load_hours(catalog, 0, 3, by_host)
    with table(catalog).update_spec() as spec:
        spec.remove_field("host")
    with table(catalog).update_schema(allow_incompatible_changes=True) as schema:
        schema.delete_column("host")
    before = held(catalog)
    replace(catalog, hour(0, 1), rows(hour(0, 1), 50, value=1).drop_columns(["host"]))
    done = compacted(catalog)
    assert (done.before.data_files, done.after.data_files) == (15, 1)
    assert held(catalog) == before
