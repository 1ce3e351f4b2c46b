"""What is loaded once is never added again, and nothing that is over is left out."""

from __future__ import annotations

import random
import threading
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

from influx_lake.config import WriteMode, WriteOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import RowsUnaccounted, WindowNotOver
from influx_lake.iceberg import window_load
from influx_lake.iceberg.commit import committer as committing
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import Provenance
from influx_lake.iceberg.window_load import Progress, ProgressMeter
from influx_lake.replication.table_columns import table_target
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, day, exact, held, hours, load
from testbed.loads import load_of


def test_doing_it_again_reads_and_writes_nothing(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 100)
    first = load(source, catalog, day(0), APPENDING)
    before = catalog.load_table(CPU.identifier).metadata_location
    again = load(source, catalog, day(0), APPENDING)
    assert source.asked == [day(0)]
    assert (again.rows, again.previous_rows, again.files_added, again.snapshot_id) == (100, 100, 0, first.snapshot_id)
    assert catalog.load_table(CPU.identifier).metadata_location == before


def test_only_what_lies_after_the_watermark_is_read(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 240)
    load(source, catalog, hours(0, 6), APPENDING)
    result = load(source, catalog, day(0), APPENDING)
    assert source.asked == [hours(0, 6), hours(6, 24)]
    assert (result.rows, result.previous_rows) == (240, 60)
    assert exact(source, catalog)
    summary = catalog.load_table(CPU.identifier).current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert summary["influx-lake.watermark"] == "2026-01-02T00:00:00Z"


def test_the_figures_are_those_of_all_gaps(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 240)
    load(source, catalog, hours(3, 6), APPENDING)
    load(source, catalog, hours(12, 15), APPENDING)
    before = {task.file.file_path for task in catalog.load_table(CPU.identifier).scan().plan_files()}
    result = load(source, catalog, day(0), APPENDING)
    assert source.asked[2:] == [hours(0, 3), hours(6, 12), hours(15, 24)]
    tasks = catalog.load_table(CPU.identifier).scan().plan_files()
    added = [task.file for task in tasks if task.file.file_path not in before]
    assert (result.rows, result.previous_rows) == (240, 60)
    assert (result.files_added, result.bytes_written) == (len(added), sum(file.file_size_in_bytes for file in added))
    assert len(added) == 3
    assert (result.first_time, result.last_time) == (day(0).start, day(0).end - timedelta(minutes=6))
    assert result.preview["time"][0].as_py() == day(0).start
    assert result.snapshot_id == catalog.load_table(CPU.identifier).metadata.current_snapshot_id


def test_progress_goes_on_over_gaps(source: FakeSource, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    source.put(day(0), 240)
    load(source, catalog, hours(6, 12), APPENDING)
    monkeypatch.setattr(window_load, "PROGRESS_SECONDS", 0)
    told: list[Progress] = []
    schema = source.schema("cpu")
    target, provenance = table_target(CPU, schema), Provenance(source.identity, "test")
    append_window(
        load_of(catalog, target, partial(source.read, schema), day(0), provenance, progress=ProgressMeter(told.append))
    )
    assert [each.rows for each in told] == sorted(each.rows for each in told)
    assert told[-1].rows == 180


def test_files_that_exist_stay(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 24)
    load(source, catalog, hours(0, 6), APPENDING)
    before = {task.file.file_path for task in catalog.load_table(CPU.identifier).scan().plan_files()}
    assert load(source, catalog, day(0), APPENDING).files_removed == 0
    assert before < {task.file.file_path for task in catalog.load_table(CPU.identifier).scan().plan_files()}


def test_windows_may_come_in_any_order_and_overlap(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0, 2), 480)
    order = random.Random(7)
    for _ in range(12):
        first = order.randrange(0, 40)
        load(source, catalog, hours(first, first + order.randrange(1, 9)), APPENDING)
    load(source, catalog, hours(0, 48), APPENDING)
    assert exact(source, catalog)
    assert table_state(catalog.load_table(CPU.identifier)).coverage.holds(hours(0, 48))


def test_a_window_that_is_not_over_is_loaded_as_far_as_it_is(source: FakeSource, catalog: Catalog) -> None:
    now = datetime.now(UTC)
    open_window = Window(now - timedelta(hours=2), now + timedelta(hours=2))
    source.put(open_window, 240)
    load(source, catalog, open_window, APPENDING)
    loaded = held(catalog).num_rows
    assert 105 <= loaded <= 111
    assert load(source, catalog, open_window, changed(APPENDING, lag=timedelta(0))).rows > loaded
    times = held(catalog).column("time").to_pylist()
    assert len(times) == len(set(times)) == held(catalog).num_rows


def test_a_window_that_has_not_begun(source: FakeSource, catalog: Catalog) -> None:
    now = datetime.now(UTC)
    with pytest.raises(WindowNotOver, match="only complete time"):
        load(source, catalog, Window(now, now + timedelta(hours=1)), APPENDING)


def test_rows_that_no_load_accounts_for_are_not_doubled(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0, 2), 48)
    load(source, catalog, day(1))
    load(source, catalog, day(0))
    table = catalog.load_table(CPU.identifier)
    theirs = table.scan().to_arrow()
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[0].snapshot_id).commit()
    table.append(theirs.filter(pc.less(theirs["time"], pa.scalar(day(1).start))))
    with pytest.raises(RowsUnaccounted, match="holds 24 rows"):
        load(source, catalog, day(0), APPENDING)
    load(source, catalog, day(0), changed(CPU, write=WriteOptions(mode=WriteMode.UPSERT)))
    load(source, catalog, day(0), APPENDING)
    assert exact(source, catalog)


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_of_unknown_outcome_is_not_doubled(
    source: FakeSource, catalog: Catalog, happened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SETTLING_SECONDS", 0.2)
    source.put(day(0, 2), 48)
    load(source, catalog, day(0), APPENDING)
    interfering = Interfering(catalog)
    (interfering.after if happened else interfering.before).append(CommitStateUnknownException("504"))
    load(source, catalog, day(1), APPENDING)
    assert exact(source, catalog)


def test_a_commit_that_lands_late_is_refused(
    source: FakeSource, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SETTLING_SECONDS", 0.2)
    source.put(day(0, 2), 48)
    load(source, catalog, day(0), APPENDING)
    interfering = Interfering(catalog)
    interfering.swallowing = CommitStateUnknownException("504")
    load(source, catalog, day(1), APPENDING)
    with pytest.raises(CommitFailedException):
        interfering.late[0]()
    assert exact(source, catalog)


def test_several_runs_at_once_add_each_row_once(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 240)
    failures: list[BaseException] = []

    def run(first: int) -> None:
        try:
            load(source, catalog, hours(first, first + 12), APPENDING)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(first,)) for first in (0, 0, 4, 8, 12, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert exact(source, catalog)
