"""What is proved of a table, and what of it no longer is, whatever happened since."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo

from influx_lake.arrow.digests import ALGORITHM, Digest
from influx_lake.config.maintenance.options import CompactOptions, ExpireOptions
from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.erasing.erase import erase_rows
from influx_lake.iceberg.erasing.matching import Matching
from influx_lake.iceberg.history.rollback import roll_back
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.proofs.record import MOST_RANGES, PROPERTY, Proof, Proofs, _document, _read
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.target import TableTarget
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.stored_digests import stored_digest
from influx_lake.replication.comparison.verify import Verification, verify
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, UPSERTING, day, load

LAST = ExpireOptions(older_than=timedelta(0), keep_last=1)


def prove(source: FakeSource, catalog: Catalog, *days: int, depth: Depth = Depth.VALUES) -> Verification:
    return verify(source, catalog, CPU, [day(number) for number in days], depth=depth)


def proofs(catalog: Catalog) -> Proofs:
    return current_proofs(find_table(catalog, CPU.identifier))


def task(catalog: Catalog) -> TableTask:
    return TableTask(catalog, TableTarget(CPU.identifier), "test", datetime.now(UTC))


@pytest.fixture
def loaded(source: FakeSource, catalog: Catalog) -> FakeSource:
    """Four days of a source, loaded one by one; nothing is proved."""
    for number in range(4):
        source.put(day(number), 24, value=float(number))
        load(source, catalog, day(number))
    return source


def test_equal_windows_are_proved_and_what_touches_is_one_record(loaded: FakeSource, catalog: Catalog) -> None:
    for number in (0, 1, 3):
        assert prove(loaded, catalog, number).proved.windows == (day(number),)
    assert [each.window for each in proofs(catalog).ranges] == [day(0, 2), day(3)]
    assert prove(loaded, catalog, 2).proved.windows == (day(2),)
    [whole] = proofs(catalog).ranges
    assert (whole.window, whole.rows, whole.algorithm) == (day(0, 4), 96, ALGORITHM)
    table = find_table(catalog, CPU.identifier)
    assert table is not None
    assert stored_digest(table, CPU, whole.window, whole.snapshot_id) == whole.sum


def test_what_differs_or_is_not_loaded_is_not_proved(loaded: FakeSource, catalog: Catalog) -> None:
    loaded.put(day(1), 1, "late")
    found = prove(loaded, catalog, 0, 1, 2)
    assert found.proved.windows == (day(0), day(2))
    loaded.forget("late")
    assert prove(loaded, catalog, 1).proved.windows == (day(1),)
    found = verify(loaded, catalog, CPU, [day(5)], depth=Depth.VALUES)
    assert found.proved.unproved == {day(5): "it is not loaded as a whole"}


def test_rows_that_the_lake_keeps_are_equal_and_not_proved(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 3)
    source.put(day(0), 3, "gone")
    load(source, catalog, day(0), UPSERTING)
    assert verify(source, catalog, UPSERTING, [day(0)], depth=Depth.VALUES).proved.windows == (day(0),)
    source.forget("gone")
    found = verify(source, catalog, UPSERTING, [day(0)], depth=Depth.VALUES)
    assert found.is_equal
    assert found.proved.windows == ()
    assert not proofs(catalog).valid


def test_a_load_takes_its_window_out_and_proving_it_again_mends_the_record(
    loaded: FakeSource, catalog: Catalog
) -> None:
    prove(loaded, catalog, 0, 1, 2, 3)
    loaded.put(day(1), 1, "late")
    load(loaded, catalog, day(1))
    found = proofs(catalog)
    assert found.valid == (day(0), day(2, 2))
    [stale] = found.stale
    assert stale.window == day(1)
    assert stale.why.startswith("loaded again at ")
    assert prove(loaded, catalog, 1).proved.windows == (day(1),)
    [whole] = proofs(catalog).ranges
    assert (whole.window, whole.rows, whole.changed) == (day(0, 4), 97, ())
    table = find_table(catalog, CPU.identifier)
    assert table is not None
    assert stored_digest(table, CPU, whole.window, whole.snapshot_id) == whole.sum
    assert not proofs(catalog).stale


def test_a_difference_at_the_source_that_any_comparison_sees_takes_the_window_out(
    loaded: FakeSource, catalog: Catalog
) -> None:
    prove(loaded, catalog, 0, 1, 2, 3)
    loaded.put(day(2), 1, "late")
    prove(loaded, catalog, 2, depth=Depth.ROWS)
    assert proofs(catalog).valid == (day(0, 2), day(3))
    assert "no longer equal" in proofs(catalog).stale[0].why


def test_maintenance_changes_no_proof_and_expired_snapshots_hide_no_change(
    loaded: FakeSource, catalog: Catalog
) -> None:
    prove(loaded, catalog, 0, 1, 2)
    load(loaded, catalog, day(1))
    compact(task(catalog), CompactOptions(after=timedelta(0)))
    expire_snapshots(task(catalog), LAST)
    table = catalog.load_table(CPU.identifier)
    assert len(table.metadata.snapshots) == 1
    assert proofs(catalog).valid == (day(0), day(2))
    load(loaded, catalog, day(0))
    assert proofs(catalog).valid == (day(2),)


def test_a_table_that_was_set_back_proves_what_it_read_then(loaded: FakeSource, catalog: Catalog) -> None:
    prove(loaded, catalog, 0, 1)
    before = catalog.load_table(CPU.identifier).current_snapshot()
    assert before is not None
    load(loaded, catalog, day(2))
    prove(loaded, catalog, 3)
    load(loaded, catalog, day(3))
    roll_back(catalog, CPU.identifier, before, catalog.load_table(CPU.identifier).metadata.current_snapshot_id)
    found = proofs(catalog)
    assert found.valid == (day(0, 2),)
    assert any("set back" in each.why or "loaded again" in each.why for each in found.stale)


def test_what_others_do_to_rows_takes_their_time_out(loaded: FakeSource, catalog: Catalog) -> None:
    prove(loaded, catalog, 0, 1, 2, 3)
    table = catalog.load_table(CPU.identifier)
    first = table.scan(limit=1).to_arrow()
    table.append(first)
    assert len(proofs(catalog).valid) >= 1
    moment = first["time"][0].as_py()
    assert not any(each.start <= moment < each.end for each in proofs(catalog).valid)
    catalog.load_table(CPU.identifier).delete(EqualTo("value", 3.0))
    assert day(3) not in proofs(catalog).valid
    assert not proofs(catalog).hold(day(3))


def test_erased_rows_are_no_longer_proved(loaded: FakeSource, catalog: Catalog) -> None:
    prove(loaded, catalog, 0, 1, 2, 3)
    matching = Matching(("value",), lambda batch: pc.equal(batch.column("value"), 1.0))
    erase_rows(task(catalog), ErasedRows(where="value = 1.0"), matching)
    assert [proofs(catalog).hold(day(number)) for number in range(4)] == [True, False, True, True]


def test_a_copied_table_proves_nothing(loaded: FakeSource, catalog: Catalog) -> None:
    prove(loaded, catalog, 0)
    table = catalog.load_table(CPU.identifier)
    copy = catalog.create_table(("telemetry", "copy"), table.schema(), properties=table.properties)
    assert not current_proofs(copy).ranges


def test_a_property_that_others_spoiled_proves_nothing(loaded: FakeSource, catalog: Catalog) -> None:
    prove(loaded, catalog, 0)
    for text in ("{", "[]", '{"": {"ranges": [{}]}}', '{"": 1}'):
        with catalog.load_table(CPU.identifier).transaction() as change:
            change.set_properties({PROPERTY: text})
        assert not proofs(catalog).ranges
    assert prove(loaded, catalog, 0).proved.windows == (day(0),)


HOUR = timedelta(hours=1)


def proof(window: Window, snapshot: int = 1, rows: int = 1) -> Proof:
    digest = str(Digest(rows, (rows, rows)))
    return Proof(window, datetime(2026, 1, 1, tzinfo=UTC), snapshot, rows, digest, ALGORITHM, "1")


def test_five_years_of_hours_proved_day_by_day_are_one_record() -> None:
    found = Proofs(as_of=1)
    for number in range(5 * 365):
        hours = [day(number).start + HOUR * each for each in range(25)]
        found = found.adding([proof(Window(start, end)) for start, end in pairwise(hours)])
    [whole] = found.ranges
    assert (whole.window, whole.rows) == (day(0, 5 * 365), 5 * 365 * 24)


def test_the_record_stays_short_whatever_is_proved_in_which_order() -> None:
    found = Proofs(as_of=1)
    for number in range(0, 1000, 2):
        found = found.adding([proof(day(number))])
        found = found.losing([day(number - 20)], "for a test")
    assert len(found.ranges) <= MOST_RANGES
    document = _document(found)
    assert len(json.dumps(document)) < 20_000
    assert _read(document) == found


def test_windows_without_rows_are_proved_by_one_question(source: FakeSource, catalog: Catalog) -> None:
    for number in range(9):
        if number == 8:
            source.put(day(number), 3)
        load(source, catalog, day(number))
    source.asked.clear()
    assert len(prove(source, catalog, *range(9)).proved.windows) == 9
    assert source.asked == [day(0, 8), day(8)]
    assert [each.window for each in proofs(catalog).ranges] == [day(0, 9)]


def test_points_that_a_count_does_not_tell_of_are_found(source: FakeSource, catalog: Catalog) -> None:
    for number in range(3):
        load(source, catalog, day(number))
    source.put(day(1), 2)
    source.count = lambda measurement, window: 0  # type: ignore[method-assign]
    found = prove(source, catalog, 0, 1, 2)
    assert found.proved.windows == (day(0), day(2))
    assert [each.window for each in found.differing] == [day(1)]
