"""Several measurements in one table: each load is one's, and the rows, the state and the owner of the others stay."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo

from influx_lake.config import OnTypeConflict, TypeOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Window
from influx_lake.errors import DataRefused, ForeignTable
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.merge import straddling_rows
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.iceberg.table_state.recorded_loads import recorded_loads
from influx_lake.iceberg.window_result import WindowResult
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.load import sharing_writer
from influx_lake_tests.unit.iceberg.load.shared_model import Model
from influx_lake_tests.unit.iceberg.load.shared_rows import (
    CPU,
    DISK,
    FIELDS,
    MEM,
    NAME,
    Key,
    Points,
    batch,
    held,
    replace,
    source,
    state,
    target,
    view,
)
from influx_lake_tests.unit.iceberg.tables import Batches, day, hours
from testbed.loads import CheckedBy, load_of
from testbed.local_catalog import local_catalog

ONE = {(0, "a"): 1.0, (1, "b"): 2.0}
TWO = {(0, "a"): 3.0, (2, None): 4.0}


@pytest.fixture
def both(catalog: Catalog) -> Catalog:
    """A table that holds a day of two measurements."""
    replace(catalog, CPU, day(0), ONE)
    replace(catalog, MEM, day(0), TWO)
    return catalog


def of(measurement: str, points: Points) -> dict[Key, float]:
    return {(measurement, *key): value for key, value in points.items()}


def test_a_window_replaces_its_measurements_rows_alone(both: Catalog) -> None:
    done = replace(both, CPU, day(0), {(5, "c"): 9.0})
    assert (done.rows, done.previous_rows, done.total_rows) == (1, 2, 1)
    assert held(both) == {(CPU, 5, "c"): 9.0, **of(MEM, TWO)}


def test_a_new_table_is_partitioned_by_day_and_measurement(both: Catalog, lake_folder: Path) -> None:
    table = both.load_table(NAME)
    assert [str(field) for field in table.spec().fields] == [
        "1000: time_day: day(1)",
        "1001: measurement: identity(2)",
    ]
    paths = {Path(file).parent.name for file in table.inspect.files()["file_path"].to_pylist()}
    assert paths == {f"measurement={CPU}", f"measurement={MEM}"}
    read = duckdb.sql(
        "SELECT measurement, count(*), sum(usage), sum(used) "
        f"FROM read_parquet('{lake_folder}/warehouse/**/*.parquet', "
        "union_by_name = true, hive_partitioning = false) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert read == [(CPU, 2, 3.0, None), (MEM, 2, None, 7.0)]


def test_each_measurement_has_a_state_of_its_own(both: Catalog) -> None:
    replace(both, MEM, day(2), {(96, "a"): 1.0})
    assert str(state(both, CPU).coverage) == str(day(0))
    assert state(both, MEM).coverage.intervals == (day(0), day(2))
    assert (state(both, CPU).owner, state(both, MEM).owner) == ("test://cpu/telemetry", "test://mem/telemetry")
    assert state(both, DISK) == TableState()
    assert set(recorded_loads(view(both, MEM))) == {day(0), day(2)}
    assert set(recorded_loads(view(both, CPU))) == {day(0)}
    said = both.load_table(NAME).current_snapshot().summary.additional_properties  # type: ignore[union-attr]
    assert said["influx-lake.measurement"] == MEM


def test_a_rollback_takes_back_what_one_measurement_loaded(both: Catalog) -> None:
    table = both.load_table(NAME)
    first = table.snapshots()[0].snapshot_id
    table.manage_snapshots().rollback_to_snapshot(first).commit()
    assert state(both, CPU).coverage.holds(day(0))
    assert not state(both, MEM).coverage.holds(day(0))
    assert state(both, MEM).lost == (day(0),)
    replace(both, CPU, day(1), {})
    assert state(both, MEM).lost == (day(0),), "a load of another measurement makes nothing good"
    replace(both, MEM, day(0), TWO)
    assert state(both, MEM).lost == ()
    assert held(both) == {**of(CPU, ONE), **of(MEM, TWO)}


def test_states_are_found_where_snapshots_expired(both: Catalog) -> None:
    for number in range(1, 4):
        replace(both, CPU, day(number), {})
    table = both.load_table(NAME)
    ids = [snapshot.snapshot_id for snapshot in table.snapshots()[:-1]]
    table.maintenance.expire_snapshots().by_ids(ids).commit()
    both.load_table(NAME).delete(EqualTo("measurement", CPU))  # type: ignore[call-arg,arg-type]
    assert state(both, MEM).coverage.intervals == (day(0),)
    assert not state(both, CPU).coverage.holds(day(0))


def test_another_source_does_not_get_a_measurements_rows_but_may_have_its_own(both: Catalog) -> None:
    rows = batch(CPU, ONE)
    with pytest.raises(ForeignTable, match="holds the rows of cpu of test://cpu/telemetry"):
        replace_window(load_of(both, target(CPU), Batches(rows.schema, [rows]), day(0), source(MEM)))
    replace(both, DISK, day(0), ONE)
    assert held(both) == {**of(CPU, ONE), **of(MEM, TWO), **of(DISK, ONE)}


def test_a_shared_table_is_not_taken_as_a_whole(both: Catalog) -> None:
    rows = batch(CPU, ONE)
    with pytest.raises(ForeignTable, match="is shared by the measurements cpu, mem"):
        replace_window(load_of(both, target(CPU, share=None), Batches(rows.schema, [rows]), day(0), source(CPU)))


def test_rows_that_others_added_as_a_measurements_are_not_replaced_unnoticed(both: Catalog) -> None:
    table = both.load_table(NAME)
    rows = table.scan().to_arrow()
    table.append(rows.set_column(1, rows.schema.field(1), pa.array([DISK] * len(rows), rows.schema.field(1).type)))
    with pytest.raises(ForeignTable, match="rows of disk_of_a_name_beyond_sixteen that were not loaded"):
        replace(both, DISK, day(0), TWO)
    assert state(both, CPU).coverage.holds(day(0))
    assert state(both, CPU).added == (), "none of them are its own"


def test_a_table_of_one_measurement_becomes_one_of_several(catalog: Catalog) -> None:
    alone = Share("measurement", CPU, is_alone=True)

    def load(window: Window, points: Points) -> None:
        rows = batch(CPU, points)
        replace_window(load_of(catalog, target(CPU, share=alone), Batches(rows.schema, [rows]), window, source(CPU)))

    load(day(0), ONE)
    assert table_state(catalog.load_table(NAME)).coverage.holds(day(0)), "it is a table as any other"
    assert state(catalog, CPU).coverage.holds(day(0))
    replace(catalog, MEM, day(0), TWO)
    assert state(catalog, CPU).coverage.holds(day(0)), "what was loaded before counts"
    replace(catalog, CPU, day(1), {})
    # The other one is no longer declared, and its rows stay all the same.
    load(day(0), {(7, "a"): 7.0})
    assert held(catalog) == {(CPU, 7, "a"): 7.0, **of(MEM, TWO)}


def test_a_table_of_one_measurement_needs_no_column_that_tells(catalog: Catalog) -> None:
    """The column is taken out of lake.yaml: what was loaded counts, and the next load replaces all of a window."""
    replace(catalog, CPU, day(0), ONE)
    assert "influx-lake.shares" in catalog.load_table(NAME).properties
    assert table_state(catalog.load_table(NAME)).coverage.holds(day(0))
    rows = batch(CPU, TWO).drop_columns(["measurement"])
    load = load_of(catalog, target(CPU, share=None), Batches(rows.schema, [rows]), day(0), source(CPU))
    assert replace_window(load).previous_rows == 2
    assert not catalog.load_table(NAME).properties["influx-lake.shares"]
    assert table_state(catalog.load_table(NAME)).coverage.holds(day(0))
    assert catalog.load_table(NAME).scan().to_arrow()["usage"].to_pylist() == [3.0, 4.0]


def test_a_table_whose_rows_do_not_say_whose_they_are_is_not_shared(catalog: Catalog) -> None:
    rows = batch(CPU, ONE).drop_columns(["measurement"])
    replace_window(load_of(catalog, target(CPU, share=None), Batches(rows.schema, [rows]), day(0), source(CPU)))
    for measurement in (CPU, MEM):
        with pytest.raises(ForeignTable, match="do not say in 'measurement' which measurement they are of"):
            replace(catalog, measurement, day(0), TWO)


def test_rows_of_another_measurement_are_refused(both: Catalog) -> None:
    rows = batch(MEM, ONE)
    with pytest.raises(DataRefused, match="'mem'"):
        replace_window(load_of(both, target(CPU), Batches(rows.schema, [rows]), day(0), source(CPU)))


def test_the_guard_sees_the_measurements_rows_alone(both: Catalog) -> None:
    asked: list[tuple[int, int]] = []
    rows = batch(CPU, {(0, "a"): 1.0})
    guard = CheckedBy(approve=lambda rows, previous: asked.append((rows, previous)), keeps=lambda rows, previous: True)
    replace_window(load_of(both, target(CPU), Batches(rows.schema, [rows]), day(0), source(CPU), guard=guard))
    assert asked == [(2, 2)]
    assert held(both) == {**of(CPU, ONE), **of(MEM, TWO)}, "on_shrink: merge keeps what did not come"


def test_quarantines_of_measurements_do_not_replace_each_other(both: Catalog) -> None:
    kinds = TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE)

    def load(measurement: str, text: str | None) -> WindowResult:
        rows = batch(measurement, ONE)
        name = FIELDS[measurement]
        if text is not None:
            rows = rows.set_column(3, name, pa.array([text] * len(rows)))
        into = target(measurement, types=kinds)
        return replace_window(load_of(both, into, Batches(rows.schema, [rows]), day(0), source(measurement)))

    assert load(CPU, "many").quarantined_rows == 2
    assert load(MEM, "much").quarantined_rows == 2
    aside = both.load_table((NAME[0], f"{NAME[1]}__quarantine"))
    assert sorted(aside.scan().to_arrow()["measurement"].to_pylist()) == [CPU, CPU, MEM, MEM]
    assert load(CPU, None).quarantined_rows == 0
    aside = both.load_table((NAME[0], f"{NAME[1]}__quarantine"))
    assert aside.scan().to_arrow()["measurement"].to_pylist() == [MEM, MEM]


def test_a_load_that_another_measurement_overtakes_is_planned_again(both: Catalog) -> None:
    """Also where that one wrote the file anew that holds both."""
    Model(both, None).rewrite()
    rows = batch(CPU, {(3, "c"): 5.0})
    interfering = Interfering(both)

    def overtaken() -> Iterator[pa.RecordBatch]:
        replace(both, MEM, day(0), {(9, "z"): 9.0})
        yield rows
        interfering.before = [CommitFailedException("another writer was first")]

    done = replace_window(load_of(both, target(CPU), Batches(rows.schema, overtaken()), day(0), source(CPU)))
    assert (done.previous_rows, interfering.asked) == (2, 3)
    assert held(both) == {(CPU, 3, "c"): 5.0, (MEM, 9, "z"): 9.0}
    assert state(both, CPU).coverage.holds(day(0))
    assert state(both, MEM).coverage.holds(day(0))


def test_measurements_loaded_at_once_all_arrive(catalog: Catalog) -> None:
    """The first loads of a table: it is made by one of them, and each adds its column."""
    with ThreadPoolExecutor(3) as threads:
        loads = [
            threads.submit(replace, catalog, measurement, day(number), {(48 * number, "a"): 1.0})
            for measurement in FIELDS
            for number in range(3)
        ]
        for load in loads:
            load.result()
    expected = {(measurement, 48 * number, "a"): 1.0 for measurement in FIELDS for number in range(3)}
    assert held(catalog) == expected
    for measurement in FIELDS:
        assert state(catalog, measurement).coverage.intervals == (day(0, 3),)


@pytest.mark.slow
def test_processes_that_load_a_measurement_each_lose_nothing(lake_folder: Path) -> None:
    """From the first load on, which makes the table; each window twice."""
    names = ("cpu", "mem", "net")
    processes = [
        subprocess.Popen([sys.executable, "-m", f"{sharing_writer.__name__}", str(lake_folder), name, "4"])
        for name in names
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0, 0]
    table = local_catalog(lake_folder).load_table(("telemetry", "host"))
    counted = {
        each["values"]: each["counts"] for each in table.scan().to_arrow()["measurement"].value_counts().to_pylist()
    }
    assert counted == dict.fromkeys(names, 4 * sharing_writer.ROWS)
    for name in names:
        known = table_state(as_known(table, share=Share("measurement", name)))
        assert (known.coverage.intervals, known.owner) == ((day(0, 4),), f"test://{name}")


def test_files_of_one_measurement_are_dropped_unread(both: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by bounds where the partition does not tell, also for names longer than bounds usually are."""
    into = target(DISK, partition=())
    rows = batch(DISK, ONE)
    load = load_of(both, into, Batches(rows.schema, [rows]), day(0), source(DISK))
    replace_window(load)
    monkeypatch.setattr(straddling_rows, "read_tasks", lambda *arguments: pytest.fail("a file is read"))
    assert replace_window(load).previous_rows == 2
    assert count_rows(view(both, DISK), hours(0, 0, 24)) == 2
