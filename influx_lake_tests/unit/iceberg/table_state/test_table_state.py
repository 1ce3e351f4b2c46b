"""What is known of a table holds for the snapshot that is read, whatever others do to it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.table import Table
from pyiceberg.table.update import RemoveSnapshotRefUpdate

from influx_lake.config.values.windows import Window
from influx_lake.errors import ForeignTable
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.table_state import Kind, TableState, commit_record, current_state, table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.state_encoding import COVERAGE, MOST_CHARACTERS, SUMMARY
from influx_lake.iceberg.target import Provenance
from influx_lake_tests.unit.iceberg.tables import (
    PROVENANCE,
    TARGET,
    day,
    held,
    hours,
    replace,
    rows,
    stream,
    table,
)
from testbed.loads import load_of

HOURS = 24


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    current_state._known.clear()


@pytest.fixture
def days(catalog: Catalog) -> Catalog:
    """Three days, a row an hour, each a commit of its own."""
    for number in range(3):
        replace(catalog, day(number), rows(day(number), HOURS))
    return catalog


def state(catalog: Catalog) -> TableState:
    return table_state(table(catalog))


def intervals(catalog: Catalog) -> tuple[Window, ...]:
    return state(catalog).coverage.intervals


def kinds(catalog: Catalog) -> list[Kind]:
    return [change.kind for change in state(catalog).changes]


def lost_days(catalog: Catalog) -> list[int]:
    """The days that are no longer wholly loaded."""
    coverage = state(catalog).coverage
    return [number for number in range(3) if not coverage.holds(day(number))]


def text(window: Window) -> str:
    return window.start.isoformat()


def snapshot(catalog: Catalog, place: int) -> int:
    return table(catalog).metadata.snapshots[place].snapshot_id


def set_back(catalog: Catalog, place: int) -> None:
    table(catalog).manage_snapshots().rollback_to_snapshot(snapshot(catalog, place)).commit()


def forget(found: Table, *, keeping: int) -> None:
    """Expire all but the newest snapshots."""
    ids = [each.snapshot_id for each in found.metadata.snapshots][:-keeping]
    found.maintenance.expire_snapshots().by_ids(ids).commit()


def as_before_states_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit as versions did that had the properties only."""
    told = commit_record.record

    def record(*arguments: object, **options: object) -> commit_record.Record:
        return commit_record.Record({}, told(*arguments, **options).properties)  # type: ignore[arg-type]

    monkeypatch.setattr("influx_lake.iceberg.commit.window_commit.record", record)


def test_a_table_of_ours_has_no_changes_and_reads_no_manifest(days: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_state, "_followed", None)
    found = table(days)
    monkeypatch.setattr(type(found.io), "new_input", None)
    known = table_state(found)
    assert known.coverage.intervals == (day(0, 3),)
    assert (known.owner, known.changes, known.lost) == (PROVENANCE.source, (), ())


@pytest.mark.parametrize("how", ["rollback", "set", "timestamp"])
def test_a_rollback_takes_the_coverage_back(days: Catalog, how: str) -> None:
    found, first = table(days), snapshot(days, 0)
    manage = found.manage_snapshots()
    if how == "rollback":
        manage.rollback_to_snapshot(first).commit()
    elif how == "set":
        manage.set_current_snapshot(snapshot_id=first).commit()
    else:
        manage.rollback_to_timestamp(found.metadata.snapshots[1].timestamp_ms).commit()
    assert intervals(days) == (day(0),)
    [change] = state(days).changes
    assert (change.kind, change.snapshot_id, change.left_snapshot_id) == (Kind.SET_BACK, first, snapshot(days, 2))
    assert state(days).lost == (day(1, 2),)

    replace(days, day(2), rows(day(2), HOURS))
    assert intervals(days) == (day(0), day(2))
    assert kinds(days) == []


def test_a_snapshot_that_is_set_forward_again_is_believed(days: Catalog) -> None:
    last = snapshot(days, 2)
    set_back(days, 0)
    table(days).manage_snapshots().set_current_snapshot(snapshot_id=last).commit()
    assert (intervals(days), kinds(days)) == ((day(0, 3),), [])


def test_deleting_a_day_takes_it(days: Catalog) -> None:
    table(days).delete(GreaterThanOrEqual("time", text(day(2))))
    assert (lost_days(days), kinds(days)) == ([2], [Kind.DELETE])
    assert state(days).changes[0].rows_removed == HOURS
    replace(days, day(2), rows(day(2), HOURS))
    assert (intervals(days), kinds(days)) == ((day(0, 3),), [])
    summary = table(days).current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert "delete: 24 rows removed" in summary["influx-lake.changed-by-others"]  # type: ignore[operator]


def test_deleting_some_rows_of_a_file_takes_their_time_and_no_other(days: Catalog) -> None:
    morning = hours(1, 6, 9)
    table(days).delete(f"time >= '{morning.start.isoformat()}' and time < '{morning.end.isoformat()}'")
    assert lost_days(days) == [1]
    coverage = state(days).coverage
    assert coverage.holds(hours(1, 0, 5))
    assert not coverage.holds(hours(1, 7, 8))
    assert coverage.holds(hours(1, 9, 24))


def test_deleting_one_host_takes_its_times_everywhere(days: Catalog) -> None:
    table(days).delete(EqualTo("host", "host-3"))
    assert lost_days(days) == [0, 1, 2]


def test_appended_rows_leave_what_is_loaded_and_are_reported(days: Catalog) -> None:
    found = table(days)
    found.append(found.scan(limit=5).to_arrow())
    [change] = state(days).changes
    assert (intervals(days), change.kind, change.rows_added) == ((day(0, 3),), Kind.APPEND, 5)


def test_rows_written_over_by_as_many_stay_loaded_and_are_reported(days: Catalog) -> None:
    found = table(days)
    found.overwrite(found.scan().to_arrow())
    assert intervals(days) == (day(0, 3),)
    assert Kind.DELETE in kinds(days)


def test_rows_written_over_by_fewer(days: Catalog) -> None:
    found = table(days)
    everything = held(days)
    found.overwrite(everything.filter(pc.less(everything["time"], pa.scalar(hours(1, 12, 13).start))))
    assert lost_days(days) == [1, 2]
    assert state(days).coverage.holds(hours(1, 0, 11))


def test_a_table_that_was_emptied_holds_nothing(days: Catalog) -> None:
    replace(days, day(5))
    assert state(days).coverage.holds(day(5))
    table(days).delete()
    assert intervals(days) == ()
    assert state(days).owner == PROVENANCE.source
    replace(days, day(0), rows(day(0), HOURS))
    assert intervals(days) == (day(0),)


@pytest.mark.parametrize("operation", ["append", "delete"])
def test_a_branch_is_reported_and_not_counted(days: Catalog, operation: str) -> None:
    found = table(days)
    found.manage_snapshots().create_branch(snapshot(days, 2), "audit").commit()
    assert kinds(days) == []
    if operation == "append":
        found.append(found.scan(limit=1).to_arrow(), branch="audit")
    else:
        found.delete(EqualTo("host", "host-3"), branch="audit")
    assert (intervals(days), kinds(days)) == ((day(0, 3),), [Kind.BRANCH])
    assert state(days).changes[0].branch == "audit"


def test_a_branch_that_becomes_the_table_is_followed(days: Catalog) -> None:
    found = table(days)
    found.manage_snapshots().create_branch(snapshot(days, 1), "audit").commit()
    found.delete(GreaterThanOrEqual("time", text(day(1))), branch="audit")
    found.manage_snapshots().set_current_snapshot(ref_name="audit").commit()
    assert lost_days(days) == [1, 2]
    assert kinds(days) == [Kind.SET_BACK, Kind.DELETE]
    assert state(days).changes[1].branch == "audit"


def test_a_tag_is_nothing_to_tell(days: Catalog) -> None:
    table(days).manage_snapshots().create_tag(snapshot(days, 0), "month-end").commit()
    assert (intervals(days), kinds(days)) == ((day(0, 3),), [])


def test_snapshots_that_expired(days: Catalog) -> None:
    forget(table(days), keeping=1)
    assert (intervals(days), kinds(days)) == ((day(0, 3),), [])


@pytest.mark.parametrize("metadata_files", [True, False])
def test_loads_that_expired_under_a_foreign_delete(days: Catalog, metadata_files: bool, lake_folder: Path) -> None:
    table(days).delete(GreaterThanOrEqual("time", text(day(2))))
    forget(table(days), keeping=1)
    if not metadata_files:
        drop_metadata_files(days, lake_folder)
    # Without them nothing tells what the delete was made on.
    assert lost_days(days) == ([2] if metadata_files else [0, 1, 2])
    assert state(days).is_rebuilt != metadata_files


def test_everything_that_would_tell_is_gone(days: Catalog, lake_folder: Path) -> None:
    table(days).delete(GreaterThanOrEqual("time", text(day(2))))
    table(days).append(held(days).slice(0, 1))
    forget(table(days), keeping=1)
    drop_metadata_files(days, lake_folder)
    known = state(days)
    assert (known.is_rebuilt, known.coverage.intervals, known.owner) == (True, (), PROVENANCE.source)
    replace(days, day(0), rows(day(0), HOURS))
    assert (intervals(days), state(days).is_rebuilt) == ((day(0),), False)


def test_only_windows_with_all_their_rows_count_where_the_chain_is_broken(days: Catalog, lake_folder: Path) -> None:
    kept = [snapshot(days, place) for place in range(3)]
    for place, of in enumerate(kept):
        table(days).manage_snapshots().create_tag(of, f"load-{place}").commit()
    table(days).delete(GreaterThanOrEqual("time", text(day(2))))
    first = table(days).current_snapshot()
    table(days).append(held(days).slice(0, 1))
    table(days).maintenance.expire_snapshots().by_id(first.snapshot_id).commit()  # type: ignore[union-attr]
    drop_metadata_files(days, lake_folder)
    known = state(days)
    assert known.is_rebuilt
    assert known.coverage.intervals == (day(0, 2),)


def drop_metadata_files(catalog: Catalog, folder: Path) -> None:
    found = table(catalog)
    current = Path(found.metadata_location.removeprefix("file://")).name
    for path in folder.rglob("*.metadata.json"):
        if path.name != current:
            path.unlink()


def test_a_table_of_an_earlier_version_is_believed(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        as_before_states_were_kept(earlier)
        for number in range(3):
            replace(catalog, day(number), rows(day(number), HOURS))
    assert (intervals(catalog), kinds(catalog)) == ((day(0, 3),), [])
    table(catalog).append(held(catalog).slice(0, 1))
    assert (intervals(catalog), kinds(catalog)) == ((day(0, 3),), [Kind.APPEND])
    replace(catalog, day(3), rows(day(3), 1))
    assert intervals(catalog) == (day(0, 4),)


@pytest.mark.parametrize("metadata_files", [True, False])
def test_a_table_of_an_earlier_version_that_was_rolled_back(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, lake_folder: Path, metadata_files: bool
) -> None:
    as_before_states_were_kept(monkeypatch)
    for number in range(3):
        replace(catalog, day(number), rows(day(number), HOURS))
    set_back(catalog, 1)
    if not metadata_files:
        drop_metadata_files(catalog, lake_folder)
    assert intervals(catalog) == (day(0, 2),)
    assert state(catalog).owner == PROVENANCE.source


def test_properties_alone_are_not_believed(days: Catalog) -> None:
    set_back(days, 0)
    with table(days).transaction() as transaction:
        transaction.set_properties({COVERAGE: str(day(0, 300))})
    assert intervals(days) == (day(0),)


@pytest.mark.slow
def test_many_gaps_do_not_grow_the_metadata(catalog: Catalog) -> None:
    """A thousand windows apart; then as many commits as a busy table has, rolled back at random."""
    order = random.Random(5)
    coverage = Coverage()
    for number in order.sample(range(4_000), 1_000):
        coverage = coverage.adding(hours(0, number, number + 1))
    known: dict[int, Coverage] = {}
    replace(catalog, day(0), rows(day(0), 1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("influx_lake.iceberg.load.replace_plan.table_state", lambda found: TableState(coverage))
        replace(catalog, day(500), rows(day(500), 1))
    coverage = coverage.adding(day(500))
    known[snapshot(catalog, -1)] = coverage
    for number in order.sample(range(4_000), 30):
        window = hours(0, number, number + 1)
        replace(catalog, window, rows(window, 1))
        coverage = coverage.adding(window)
        known[snapshot(catalog, -1)] = coverage
    said = [len(each.summary[SUMMARY]) for each in table(catalog).metadata.snapshots if each.summary]  # type: ignore[arg-type]
    assert sum(said) / len(said) < 2 * MOST_CHARACTERS
    for of in order.sample(sorted(known), 5):
        table(catalog).manage_snapshots().set_current_snapshot(snapshot_id=of).commit()
        assert state(catalog).coverage == known[of]


def test_a_state_is_json_that_people_can_read(days: Catalog) -> None:
    summary = table(days).current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    document = json.loads(summary[SUMMARY] or "")
    assert document == {"owner": PROVENANCE.source, "time": 1, "coverage": str(day(0, 3))}


def test_rows_of_others_under_a_snapshot_that_descends_from_no_load_are_refused(days: Catalog) -> None:
    found = table(days)
    theirs = held(days).slice(0, 3)
    replaced_by_others(found, theirs)
    known = state(days)
    assert (known.coverage, known.owner) == (Coverage(), None)
    assert known.changes[0].kind is Kind.MADE_ANEW
    with pytest.raises(ForeignTable, match="not loaded by influx-lake"):
        replace(days, day(0), rows(day(0), HOURS))


def test_a_table_that_was_made_anew_without_rows(days: Catalog) -> None:
    with table(days).transaction() as transaction:
        transaction._apply((RemoveSnapshotRefUpdate(ref_name="main"),))
    assert (intervals(days), kinds(days), state(days).lost) == ((), [Kind.MADE_ANEW], (day(0, 3),))
    replace(days, day(0), rows(day(0), HOURS))
    assert (intervals(days), kinds(days)) == ((day(0),), [])


def replaced_by_others(found: Table, theirs: pa.Table) -> None:
    """What `CREATE OR REPLACE TABLE` leaves: the table's id and properties, and a snapshot without a parent."""
    with found.transaction() as transaction:
        transaction._apply((RemoveSnapshotRefUpdate(ref_name="main"),))
    found.append(theirs)


@pytest.mark.parametrize("expired", [False, True])
def test_copied_properties_make_no_table_ours(days: Catalog, expired: bool) -> None:
    old, theirs = table(days), held(days)
    days.drop_table(old.name())
    new = days.create_table(TARGET.identifier, old.schema(), properties=dict(old.properties))
    assert (intervals(days), state(days).owner, state(days).tags) == ((), None, None)
    assert (kinds(days), state(days).lost) == ([Kind.MADE_ANEW], (day(0, 3),))
    for place in range(3):
        new.append(theirs.slice(place, 1))
    if expired:
        forget(new, keeping=1)
    current_state._known.clear()
    known = state(days)
    assert (known.coverage, known.owner, known.tags, known.is_rebuilt) == (Coverage(), None, None, False)
    assert (known.changes[0].kind, known.lost) == (Kind.MADE_ANEW, (day(0, 3),))
    with pytest.raises(ForeignTable, match="not loaded by influx-lake"):
        replace(days, day(0), rows(day(0), HOURS))


def test_an_empty_table_with_the_properties_of_another_source_is_free(days: Catalog) -> None:
    old = table(days)
    days.drop_table(old.name())
    days.create_table(TARGET.identifier, old.schema(), properties=dict(old.properties))
    other = Provenance("test://elsewhere/telemetry", "run-2")
    replace_window(load_of(days, TARGET, stream(rows(day(0), HOURS)), day(0), other))
    assert (intervals(days), state(days).owner, kinds(days)) == ((day(0),), other.source, [])
