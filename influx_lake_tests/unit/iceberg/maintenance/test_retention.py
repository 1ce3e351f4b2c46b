"""Rows that are older than they are kept go, as whole files, and a slip takes nothing."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.options import ExpireOptions
from influx_lake.errors import TooMuchAtOnce
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.retention import Keeping, retention
from influx_lake.iceberg.maintenance.task import Maintained
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.unit.iceberg.load import shared_rows
from influx_lake_tests.unit.iceberg.load.shared_rows import CPU, MEM
from influx_lake_tests.unit.iceberg.maintenance.tasks import files_of_table, snapshots, task
from influx_lake_tests.unit.iceberg.tables import day, held, hours, replace, rows, table

MONTH = timedelta(days=31)


@pytest.fixture
def loaded(catalog: Catalog) -> Catalog:
    for number in range(5):
        replace(catalog, day(number), rows(day(number), 24))
    return catalog


def keep(catalog: Catalog, since: datetime | None, most: timedelta = MONTH, *, dry_run: bool = False) -> Maintained:
    return retention(task(catalog, dry_run=dry_run), [Keeping(lambda now: since, most)])


def test_whole_windows_go_by_metadata(loaded: Catalog, lake_folder: Path) -> None:
    there = files_of_table(lake_folder)
    dry = keep(loaded, day(2).start, dry_run=True)
    assert files_of_table(lake_folder) == there
    done = keep(loaded, day(2).start)
    assert dry.done == done.done
    assert (done.done["files_dropped"], done.done["rows_dropped"]) == (2, 48)
    assert (done.before.data_files, done.after.data_files, done.snapshot_id) == (5, 3, snapshots(loaded)[-1])
    assert held(loaded).num_rows == 72
    state = table_state(table(loaded))
    assert state.coverage.intervals == (day(2, 3),)
    assert (state.lost, state.changes) == ((), ())
    expire_snapshots(task(loaded), ExpireOptions(older_than=timedelta(0), keep_last=1))
    assert sum(path.endswith(".parquet") for path in files_of_table(lake_folder)) == 3
    assert keep(loaded, day(2).start).snapshot_id is None


def test_a_file_with_younger_rows_stays(loaded: Catalog) -> None:
    done = keep(loaded, hours(1, 12, 13).start)
    assert (done.done["files_dropped"], held(loaded).num_rows) == (1, 96)
    # The hours that are not kept any longer do not count as loaded.
    assert table_state(table(loaded)).coverage.intervals[0].start == hours(1, 12, 13).start


def test_nothing_goes_where_nothing_is_stated(loaded: Catalog) -> None:
    location = table(loaded).metadata_location
    assert keep(loaded, None).done["files_dropped"] == 0
    assert keep(loaded, day(0).start).done["files_dropped"] == 0
    assert table(loaded).metadata_location == location


def test_more_than_may_go_at_once_is_a_slip(loaded: Catalog) -> None:
    location = table(loaded).metadata_location
    with pytest.raises(TooMuchAtOnce, match=r"96 rows of 2026-01-01T00:00:00Z and later, before 2026-01-05.* 2d "):
        keep(loaded, day(4).start, timedelta(days=2))
    assert table(loaded).metadata_location == location
    dry = keep(loaded, day(4).start, timedelta(days=2), dry_run=True)
    assert "more time than the 2d that may go at once" in dry.left[0]
    assert dry.done["rows_dropped"] == 96
    assert keep(loaded, day(2).start, timedelta(days=2)).done["rows_dropped"] == 48


def test_each_measurement_of_a_shared_table_keeps_its_own(catalog: Catalog) -> None:
    points = {(step, "a"): 1.0 for step in range(0, 48 * 4, 12)}
    for measurement in (CPU, MEM):
        for number in range(4):
            of_day = {key: value for key, value in points.items() if key[0] // 48 == number}
            shared_rows.replace(catalog, measurement, day(number), of_day)
    whole = changed(shared_rows.target(CPU), share=None)
    kept = [Keeping(lambda now: day(2).start, MONTH, shared_rows.target(CPU).share)]
    assert retention(task(catalog, target=whole), kept).done["rows_dropped"] == 8

    def coverage(measurement: str) -> tuple[object, ...]:
        share = shared_rows.target(measurement).share
        return table_state(open_table(catalog, whole.identifier, share)).coverage.intervals

    assert coverage(CPU) == (day(2, 2),)
    assert coverage(MEM) == (day(0, 4),)
    assert open_table(catalog, whole.identifier).scan().to_arrow().num_rows == 24
