"""The order of a commit with rows in quarantine: plan, guard, the quarantine's commit, the table's commit."""

from __future__ import annotations

from dataclasses import replace as changed

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException

from influx_lake.config import OnTypeConflict, TypeOptions
from influx_lake.errors import CommitConflict, StorageError, WindowShrank
from influx_lake.iceberg.catalogs import commit_lock
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.replace_plan import Replacement
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, replace, rows, stream
from testbed.loads import CheckedBy, load_of

ASIDE = changed(TARGET, types=TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE))
QUARANTINE = quarantine_of(ASIDE)
UNFIT = rows(day(0), 10).set_column(3, "count", pa.array([None, None, *(["many"] * 8)]))


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    """The table holds five rows of the window, and none is in quarantine."""
    replace(catalog, day(0), rows(day(0), 5), target=ASIDE)
    return catalog


def test_rows_in_quarantine_count_for_the_guard_and_wait_for_it(filled: Catalog) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(rows: int, previous_rows: int) -> None:
        asked.append((rows, previous_rows))
        raise WindowShrank("refused")

    with pytest.raises(WindowShrank):
        replace_window(load_of(filled, ASIDE, stream(UNFIT), day(0), PROVENANCE, guard=CheckedBy(approve=refuse)))
    assert asked == [(10, 5)]
    assert not filled.table_exists(QUARANTINE.identifier) or not filled.load_table(QUARANTINE.identifier).snapshots()
    assert held(filled, target=ASIDE).num_rows == 5


def test_the_quarantine_is_committed_once_however_often_the_table_is_tried(filled: Catalog) -> None:
    interfering = Interfering(filled)
    # The quarantine's own commit comes first.
    interfering.before = [None, CommitFailedException("another"), CommitFailedException("another")]
    assert replace(filled, day(0), UNFIT, target=ASIDE).quarantined_rows == 8
    assert interfering.asked == 4
    assert len(filled.load_table(QUARANTINE.identifier).snapshots()) == 1
    assert (held(filled, target=QUARANTINE).num_rows, held(filled, target=ASIDE).num_rows) == (8, 2)


def test_a_quarantine_that_cannot_be_committed_stops_the_window_also_where_the_table_changed(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Replacement.plan

    def full(planner: Replacement, table: object) -> object:
        if planner.load.target != QUARANTINE:
            return plan(planner, table)  # type: ignore[arg-type]
        replace(filled, day(1), rows(day(1), 3), target=ASIDE)
        raise StorageError("full")

    # The other writer is this thread, which would wait for itself.
    monkeypatch.setattr(commit_lock, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(Replacement, "plan", full)
    with pytest.raises((StorageError, CommitConflict), match="full"):
        replace(filled, day(0), UNFIT, target=ASIDE)
    assert held(filled, target=ASIDE).num_rows == 5 + 3
    assert table_state(filled.load_table(ASIDE.identifier)).coverage.gaps(day(0, 2)) == ()
