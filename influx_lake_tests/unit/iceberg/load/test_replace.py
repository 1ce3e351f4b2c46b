"""One window is replaced as a whole, or nothing changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.errors import DataRefused, StreamBroken
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake_tests.unit.iceberg.tables import (
    PROVENANCE,
    SCHEMA,
    TARGET,
    Batches,
    day,
    held,
    hours,
    replace,
    rows,
    stream,
    table,
)
from testbed.loads import CheckedBy, load_of


def files_on_disk(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*.parquet")}


def files_in_table(catalog: Catalog) -> list[str]:
    return [task.file.file_path.removeprefix("file://") for task in table(catalog).scan().plan_files()]


def test_a_window_done_again_leaves_the_same_rows(catalog: Catalog) -> None:
    first = replace(catalog, day(0), rows(day(0), 1000))
    before = held(catalog)
    for _ in range(3):
        again = replace(catalog, day(0), rows(day(0), 1000))
        assert (again.rows, again.previous_rows, again.total_rows) == (1000, 1000, 1000)
        assert held(catalog) == before
    assert (first.previous_rows, first.files_removed) == (0, 0)
    assert len(files_in_table(catalog)) == 1


def test_each_window_is_one_snapshot_that_says_what_it_did(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 1000))
    commit = replace(catalog, day(0), rows(day(0), 400))
    snapshots = table(catalog).snapshots()
    assert [snapshot.snapshot_id for snapshot in snapshots][-1] == commit.snapshot_id
    assert len(snapshots) == 2
    summary = snapshots[-1].summary
    assert summary is not None
    said = {key: value for key, value in summary.additional_properties.items() if key.startswith("influx-lake.")}
    assert said.pop("influx-lake.commit-id")
    assert str(day(0)) in said.pop("influx-lake.state")
    assert said == {
        "influx-lake.window": str(day(0)),
        "influx-lake.rows": "400",
        "influx-lake.previous-rows": "1000",
        "influx-lake.source": PROVENANCE.source,
        "influx-lake.run-id": PROVENANCE.run_id,
    }


def test_other_windows_keep_their_rows_and_files(catalog: Catalog) -> None:
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 100, value=number))
    kept = set(files_in_table(catalog))
    replace(catalog, day(1), rows(day(1), 50, value=9))
    assert [count_rows(table(catalog), day(number)) for number in range(3)] == [100, 50, 100]
    assert len(kept & set(files_in_table(catalog))) == 2


def test_a_window_inside_a_file_keeps_the_rows_around_it(catalog: Catalog) -> None:
    replace(catalog, day(0, 3), rows(day(0, 3), 7200))
    before = held(catalog, [hours(1, 0, 6), hours(1, 12, 24)])
    commit = replace(catalog, hours(1, 6, 12), rows(hours(1, 6, 12), 5, value=-1))
    assert commit.previous_rows == 600
    assert commit.total_rows == 7200 - 600 + 5
    assert held(catalog, [hours(1, 0, 6), hours(1, 12, 24)]) == before
    assert held(catalog, [hours(1, 6, 12)]).column("value").to_pylist() == [-1.0, 0.0, 1.0, 2.0, 3.0]


def test_bounds_are_half_open_to_the_microsecond(catalog: Catalog) -> None:
    window = hours(0, 1, 2)
    edge = [window.start_us - 1, window.start_us, window.end_us - 1, window.end_us]
    batch = pa.record_batch(
        [pa.array([us * 1000 for us in edge], pa.timestamp("ns")), ["a"] * 4, [1.0] * 4, [1] * 4], schema=SCHEMA
    )
    replace(catalog, day(0), batch)
    commit = replace(catalog, window)
    assert commit.previous_rows == 2
    assert [moment.value for moment in held(catalog).column("time")] == [edge[0], edge[3]]


def test_an_empty_window_is_known_to_be_loaded(catalog: Catalog) -> None:
    commit = replace(catalog, day(4))
    assert (commit.rows, commit.total_rows, commit.first_time, commit.preview.num_rows) == (0, 0, None, 0)
    assert table_state(table(catalog)).coverage.holds(day(4))
    assert len(table(catalog).snapshots()) == 1


def test_what_is_loaded_travels_in_the_commit_of_the_rows(catalog: Catalog) -> None:
    for number in (0, 2, 1):
        replace(catalog, day(number), rows(day(number), 10))
    assert str(table_state(table(catalog)).coverage) == str(day(0, 3))


def test_an_open_window_is_loaded_only_as_far_as_it_is_complete(catalog: Catalog) -> None:
    def load(until: timedelta) -> Coverage:
        moment = day(0).start + until
        replace_window(load_of(catalog, TARGET, stream(rows(day(0), 10)), day(0), PROVENANCE, complete_until=moment))
        return table_state(table(catalog)).coverage

    assert load(timedelta(hours=-1)).intervals == ()
    assert load(timedelta(hours=6)).intervals == (hours(0, 0, 6),)
    assert load(timedelta(hours=30)).intervals == (day(0),)


def test_the_figures_of_a_commit(catalog: Catalog) -> None:
    commit = replace(catalog, day(0), rows(day(0), 24), rows(day(0), 24))
    assert (commit.first_time, commit.last_time) == (day(0).start, day(0).start + timedelta(hours=23))
    assert commit.preview.num_rows == 10
    assert commit.bytes_written == sum(Path(path).stat().st_size for path in files_in_table(catalog))


def test_rows_outside_the_window_are_refused(catalog: Catalog, lake_folder: Path) -> None:
    with pytest.raises(DataRefused, match="beyond the window"):
        replace(catalog, day(0), rows(day(1), 10))
    with pytest.raises(DataRefused, match="have no time"):
        replace(catalog, day(0), pa.record_batch([[None], ["a"], [1.0], [1]], schema=SCHEMA))
    assert files_on_disk(lake_folder) == set()


def test_a_stream_that_breaks_leaves_the_table_and_no_files(catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    before, metadata = files_on_disk(lake_folder), table(catalog).metadata_location

    def broken() -> Iterator[pa.RecordBatch]:
        for _ in range(5):
            yield rows(day(0), 100_000)
        raise StreamBroken("the server went away")

    with pytest.raises(StreamBroken):
        replace_window(load_of(catalog, TARGET, Batches(SCHEMA, broken()), day(0), PROVENANCE))
    assert files_on_disk(lake_folder) == before
    assert table(catalog).metadata_location == metadata


def test_a_window_that_is_not_approved_changes_nothing(catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    before = files_on_disk(lake_folder)
    asked = []

    def refuse(coming: int, previous: int) -> None:
        asked.append((coming, previous))
        raise StreamBroken("no")

    with pytest.raises(StreamBroken):
        replace_window(
            load_of(catalog, TARGET, stream(rows(day(0), 40)), day(0), PROVENANCE, guard=CheckedBy(approve=refuse))
        )
    assert asked == [(40, 100)]
    assert files_on_disk(lake_folder) == before
    assert count_rows(table(catalog), day(0)) == 100


def test_writers_of_different_windows_all_succeed(properties: dict[str, str], catalog: Catalog) -> None:
    replace(catalog, day(0))
    failures: list[BaseException] = []

    def load(number: int) -> None:
        try:
            own = open_catalog("lake", properties)
            for _ in range(3):
                replace(own, day(number), rows(day(number), 50 + number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [count_rows(table(catalog), day(number)) for number in range(8)] == [50 + number for number in range(8)]
    assert len(files_in_table(catalog)) == len(set(files_in_table(catalog))) == 8
    assert table_state(table(catalog)).coverage.holds(day(0, 8))
