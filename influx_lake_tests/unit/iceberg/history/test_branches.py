"""Loads to a branch, and their publication, whatever happens to the table meanwhile."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.errors import BranchOutdated, ConfigurationError
from influx_lake.iceberg.catalogs import commit_lock
from influx_lake.iceberg.history import publishing
from influx_lake.iceberg.history.branch_catalog import on_branch
from influx_lake.iceberg.history.publishing import publish
from influx_lake.iceberg.history.refs import create_ref, drop_ref
from influx_lake.iceberg.history.rollback import check_was_read, roll_back, snapshot_at
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, hours, replace, rows, stream, table
from testbed.loads import load_of


def coverage(catalog: Catalog) -> Coverage:
    state = table_state(table(catalog))
    assert state.changes == ()
    return state.coverage


def test_a_load_to_a_branch_is_seen_there_alone(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    trial = on_branch(catalog, "trial")
    done = replace(trial, day(1), rows(day(1), 700))
    replace(trial, day(0), rows(day(0), 7))
    assert (done.rows, done.previous_rows, done.total_rows) == (700, 0, 770)
    assert held(catalog).num_rows == 70
    assert held(trial).num_rows == 707
    assert coverage(catalog) == Coverage((day(0),))
    assert table_state(table(trial)).coverage == Coverage((day(0, 2),))
    assert table_state(table(trial)).changes == ()

    published = publish(catalog, TARGET, "trial")
    assert published.fast_forward
    assert published.windows == (day(1), day(0))
    assert held(catalog).num_rows == 707
    assert coverage(catalog) == Coverage((day(0, 2),))
    assert set(table(catalog).metadata.refs) == {"main"}
    assert table(catalog).metadata.properties["influx-lake.coverage"] == str(Coverage((day(0, 2),)))


def test_the_first_load_of_a_table_may_be_to_a_branch(catalog: Catalog) -> None:
    trial = on_branch(catalog, "trial")
    replace(trial, day(0), rows(day(0), 70))
    assert table(catalog).current_snapshot() is None
    assert coverage(catalog) == Coverage()
    replace(trial, day(1), rows(day(1), 7))
    assert publish(catalog, TARGET, "trial").fast_forward
    assert held(catalog).num_rows == 77
    assert coverage(catalog) == Coverage((day(0, 2),))


def test_a_table_goes_on_while_its_first_load_is_on_a_branch(catalog: Catalog) -> None:
    replace(on_branch(catalog, "trial"), day(0), rows(day(0), 70))
    replace(catalog, day(1), rows(day(1), 7))
    assert coverage(catalog) == Coverage((day(1),))
    assert not publish(catalog, TARGET, "trial").fast_forward
    assert held(catalog).num_rows == 77
    assert coverage(catalog) == Coverage((day(0, 2),))


@pytest.mark.parametrize("partitioned", [True, False])
def test_the_same_files_are_committed_where_the_table_went_on(catalog: Catalog, partitioned: bool) -> None:
    target = TARGET if partitioned else changed(TARGET, partition=())
    replace(catalog, day(0, 3), rows(day(0, 3), 300), target=target)
    trial = on_branch(catalog, "trial")
    replace(trial, hours(1, 0, 12), rows(hours(1, 0, 12), 1000), target=target)
    files = {task.file.file_path for task in table(trial).scan().plan_files()}
    replace(catalog, hours(1, 12, 24), rows(hours(1, 12, 24), 7), target=target)
    before = held(catalog).num_rows

    assert not publish(catalog, target, "trial").fast_forward

    assert held(catalog, [hours(1, 0, 12)]).num_rows == 1000
    assert held(catalog, [hours(1, 12, 24)]).num_rows == 7
    assert held(catalog).num_rows == before - 50 + 1000
    now = {task.file.file_path for task in table(catalog).scan().plan_files()}
    assert any(path in now for path in files)
    assert coverage(catalog) == Coverage((day(0, 3),))
    said = table(catalog).current_snapshot().summary.additional_properties  # type: ignore[union-attr]
    assert said["influx-lake.window"] == str(hours(1, 0, 12))
    assert said["influx-lake.run-id"] == PROVENANCE.run_id
    assert set(table(catalog).metadata.refs) == {"main"}


def test_several_windows_become_visible_at_once_where_the_table_went_on(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    trial = on_branch(catalog, "trial")
    replace(trial, day(1), rows(day(1), 7))
    replace(trial, day(2), rows(day(2), 8))
    replace(trial, hours(1, 0, 1), rows(hours(1, 0, 1), 60))
    replace(catalog, day(3), rows(day(3), 9))

    published = publish(catalog, TARGET, "trial")

    assert published.windows == (day(1), day(2), hours(1, 0, 1))
    assert [held(catalog, [day(number)]).num_rows for number in range(4)] == [70, 66, 8, 9]
    assert coverage(catalog) == Coverage((day(0, 4),))
    assert set(table(catalog).metadata.refs) == {"main"}
    log = [entry.snapshot_id for entry in table(catalog).metadata.snapshot_log]
    # Readers got the whole of it, or nothing.
    assert len(log) == 3


@pytest.mark.parametrize("how", ["load", "append", "delete", "rollback"])
def test_a_branch_is_not_published_over_rows_that_came_since(catalog: Catalog, how: str) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    first = table(catalog).metadata.current_snapshot_id
    replace(catalog, day(1), rows(day(1), 70))
    replace(on_branch(catalog, "trial"), day(1), rows(day(1), 700))
    match how:
        case "load":
            replace(catalog, hours(1, 0, 1), rows(hours(1, 0, 1), 7))
        case "append":
            table(catalog).append(table(catalog).scan().to_arrow())
        case "delete":
            table(catalog).delete("time >= '2026-01-02T00:00:00+00:00'")
        case "rollback":
            then = snapshot_at(table(catalog), first or 0)
            roll_back(catalog, TARGET.identifier, then, table(catalog).metadata.current_snapshot_id)
    before = held(catalog)

    with pytest.raises(BranchOutdated):
        publish(catalog, TARGET, "trial")

    assert held(catalog) == before
    assert "trial" in table(catalog).metadata.refs


def test_a_compaction_meanwhile_is_no_matter(catalog: Catalog) -> None:
    """Rows of a merge are published from files that the table no longer has: the branch keeps them."""
    by_point = changed(TARGET, key=("host", "count"))
    replace(catalog, day(0), rows(day(0), 700), target=by_point)
    trial = on_branch(catalog, "trial")
    upsert_window(load_of(trial, by_point, stream(rows(day(0), 70, value=9.0)), day(0), PROVENANCE))
    merged = held(trial).num_rows
    _compacted(catalog)
    replace(catalog, day(1), rows(day(1), 7), target=by_point)

    publish(catalog, by_point, "trial")

    assert held(catalog, [day(0)]).num_rows == merged
    assert held(catalog, [day(1)]).num_rows == 7


def _compacted(catalog: Catalog) -> None:
    """Others rewrite the table's files with the same rows."""
    from pyiceberg.table.snapshots import Operation

    from influx_lake.iceberg.columns.known_columns import as_known
    from influx_lake.iceberg.commit.commit_plan import FileChange
    from influx_lake.iceberg.commit.committer import Committer
    from influx_lake.iceberg.commit.maintenance_commit import MaintenanceCommit
    from influx_lake.iceberg.writer.writer import write_files

    there = as_known(table(catalog))
    tasks = list(there.scan().plan_files())
    content = there.scan().to_arrow()
    files = write_files(there, TARGET, iter(content.to_batches()), content.schema)

    class Plan:
        def plan(self, _: object) -> FileChange:
            return FileChange(removed=tuple(task.file for task in tasks), added=tuple(files))

        def written(self) -> list[object]:
            return list(files)

    Committer(MaintenanceCommit(catalog, TARGET, table(catalog), "compact", "run", Plan(), Operation.REPLACE)).run()  # type: ignore[arg-type]


def test_appended_and_tailed_windows_are_published(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    trial = on_branch(catalog, "trial")
    tail_window(load_of(trial, TARGET, stream(rows(day(2), 9)), day(2), PROVENANCE), replace_window)
    append_window(load_of(trial, TARGET, stream(rows(day(1), 8)), day(1), PROVENANCE))
    replace(catalog, day(3), rows(day(3), 7))
    publish(catalog, TARGET, "trial")
    assert held(catalog).num_rows == 94
    assert coverage(catalog) == Coverage((day(0, 2), day(3)), (day(2),))


def test_a_load_moves_no_tag(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    kept = create_ref(catalog, TARGET.identifier, "kept", tag=True)
    with pytest.raises(ConfigurationError, match="kept is a tag"):
        replace(on_branch(catalog, "kept"), day(1), rows(day(1), 7))
    ref = table(catalog).metadata.refs["kept"]
    assert (ref.snapshot_ref_type, ref.snapshot_id) == ("tag", kept)


def test_what_cannot_be_published(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    with pytest.raises(ConfigurationError, match="no branch trial"):
        publish(catalog, TARGET, "trial")
    create_ref(catalog, TARGET.identifier, "trial", tag=False)
    assert publish(catalog, TARGET, "trial").snapshot_id is None
    create_ref(catalog, TARGET.identifier, "others", tag=False)
    table(catalog).append(table(catalog).scan().to_arrow(), branch="others")
    with pytest.raises(ConfigurationError, match="no load of influx-lake"):
        publish(catalog, TARGET, "others")
    assert table_state(table(catalog)).changes[0].branch == "others"
    drop_ref(catalog, TARGET.identifier, "others", tag=False)
    assert coverage(catalog) == Coverage((day(0),))


@pytest.mark.parametrize("first", [True, False])
def test_an_expiry_meanwhile_is_no_matter(catalog: Catalog, first: bool) -> None:
    if not first:
        replace(catalog, day(0), rows(day(0), 70))
    replace(on_branch(catalog, "trial"), day(1), rows(day(1), 7))
    for number in range(2, 5):
        replace(catalog, day(number), rows(day(number), number))
    there = table(catalog)
    kept = {ref.snapshot_id for ref in there.metadata.refs.values()}
    gone = [each.snapshot_id for each in there.snapshots() if each.snapshot_id not in kept]
    there.maintenance.expire_snapshots().by_ids(gone).commit()
    publish(catalog, TARGET, "trial")
    assert held(catalog).num_rows == (16 if first else 86)


def test_a_snapshot_of_a_branch_is_not_rolled_back_to(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    done = replace(on_branch(catalog, "trial"), day(1), rows(day(1), 7))
    with pytest.raises(ConfigurationError, match="it is of a branch"):
        check_was_read(table(catalog), snapshot_at(table(catalog), done.snapshot_id))
    publish(catalog, TARGET, "trial")
    check_was_read(table(catalog), snapshot_at(table(catalog), done.snapshot_id))


def test_a_publication_that_broke_off_is_done_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    trial = on_branch(catalog, "trial")
    replace(trial, day(1), rows(day(1), 7))
    replace(trial, day(2), rows(day(2), 8))
    replace(catalog, day(3), rows(day(3), 9))

    def stopped(*_: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_fast_forward", stopped)
        with pytest.raises(KeyboardInterrupt):
            publish(catalog, TARGET, "trial")
    assert held(catalog).num_rows == 79
    assert len(table(catalog).metadata.refs) == 3
    assert coverage(catalog) == Coverage((day(0), day(3)))
    publish(catalog, TARGET, "trial")
    assert held(catalog).num_rows == 94
    assert set(table(catalog).metadata.refs) == {"main"}
    assert coverage(catalog) == Coverage((day(0, 4),))


def test_a_branch_that_another_branch_took_the_number_from_is_committed_to_again(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other writer is this thread, which would wait for itself.
    monkeypatch.setattr(commit_lock, "PATIENCE_SECONDS", 0.01)
    replace(catalog, day(0), rows(day(0), 70))
    trial, other = on_branch(catalog, "trial"), on_branch(catalog, "other")
    replace(trial, day(1), rows(day(1), 7))
    commit, asked = catalog.commit_table, list[int]()

    def overtaken(*arguments: Any) -> Any:
        asked.append(1)
        if len(asked) == 1:
            replace(other, day(2), rows(day(2), 8))
        return commit(*arguments)

    monkeypatch.setattr(catalog, "commit_table", overtaken)
    replace(trial, day(3), rows(day(3), 9))
    assert len(asked) == 3
    assert (held(trial).num_rows, held(other).num_rows) == (86, 78)
