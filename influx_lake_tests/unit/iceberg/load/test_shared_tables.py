"""Several measurements in one table: each load is one's, and the rows, the state and the owner of the others stay."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.table import Table

from influx_lake.config import OnTypeConflict, TypeOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.windows import Window
from influx_lake.errors import DataRefused, ForeignTable, RowsUnaccounted
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.merge import straddling_rows
from influx_lake.iceberg.scan.reader import count_rows, find_table, open_table, read_windows
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.iceberg.table_state.recorded_loads import recorded_loads
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_result import WindowResult
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.load import sharing_writer
from influx_lake_tests.unit.iceberg.tables import Batches, day, hours
from testbed.loads import CheckedBy, load_of
from testbed.local_catalog import local_catalog

NAME = ("telemetry", "host_metrics")
FIELDS = {"cpu": "usage", "mem": "used", "disk_of_a_name_beyond_sixteen": "free"}
CPU, MEM, DISK = FIELDS
Key = tuple[str, int, str | None]
"""A measurement, a number of half hours since the first day, and a host."""
Points = dict[tuple[int, str | None], float]


def target(measurement: str, **options: Any) -> TableTarget:
    """The share that a measurement has of the table."""
    return TableTarget(
        NAME,
        dictionary_columns=frozenset({"host", "measurement"}),
        key=("host",),
        tags=("host",),
        **{"share": Share("measurement", measurement), **options},
    )


def batch(measurement: str, points: Points) -> pa.RecordBatch:
    """Points of a measurement, each with the field that only it has."""
    times = [(day(0).start_us + step * 1_800_000_000) * 1000 for step, _ in points]
    return pa.record_batch(
        {
            "time": pa.array(times, pa.timestamp("ns")),
            "measurement": pa.array([measurement] * len(points), pa.string()).dictionary_encode(),
            "host": pa.array([host for _, host in points], pa.string()),
            FIELDS[measurement]: pa.array(list(points.values()), pa.float64()),
        }
    )


def source(measurement: str) -> Provenance:
    return Provenance(f"test://{measurement}/telemetry", "run-1")


def replace(catalog: Catalog, measurement: str, window: Window, points: Points) -> WindowResult:
    rows = batch(measurement, points)
    return replace_window(
        load_of(catalog, target(measurement), Batches(rows.schema, [rows]), window, source(measurement))
    )


def view(catalog: Catalog, measurement: str) -> Table:
    return open_table(catalog, NAME, Share("measurement", measurement))


def state(catalog: Catalog, measurement: str) -> TableState:
    return table_state(find_table(catalog, NAME, Share("measurement", measurement)))


def held(catalog: Catalog) -> dict[Key, float]:
    """Every row of the table, read as any engine reads it."""
    found: dict[Key, float] = {}
    for row in catalog.load_table(NAME).scan().to_arrow().to_pylist():
        step = (row["time"] - day(0).start) // timedelta(minutes=30)
        key = (row["measurement"], step, row["host"])
        assert key not in found, "no row twice"
        found[key] = row[FIELDS[row["measurement"]]]
        assert all(row.get(other) is None for name, other in FIELDS.items() if name != row["measurement"])
    return found


LAYOUTS: dict[str, tuple[PartitionTerm, ...] | None] = {
    "by day and measurement": None,
    "by day": (PartitionTerm("day", "time"),),
    "none": (),
    "by host": (PartitionTerm("bucket", "host", 2),),
    "by measurement": (PartitionTerm("truncate", "measurement", 2),),
}


@dataclass
class Model:
    """The table, and what should be in it."""

    catalog: Catalog
    layout: tuple[PartitionTerm, ...] | None
    rows: dict[Key, float] = field(default_factory=dict)

    def within(self, measurement: str, windows: Iterable[Window]) -> set[Key]:
        parts = [(_step(window.start_us), _step(window.end_us)) for window in windows]
        return {key for key in self.rows if key[0] == measurement and any(a <= key[1] < b for a, b in parts)}

    def load(self, way: str, measurement: str, window: Window, points: Points) -> None:
        others = {name: state(self.catalog, name) for name in FIELDS if name != measurement}
        gaps = {
            "append": state(self.catalog, measurement).coverage.gaps(window),
            "tail": state(self.catalog, measurement).coverage.not_tailed(window),
        }.get(way, (window,))
        load = load_of(
            self.catalog,
            target(measurement, partition=self.layout),
            lambda part: nullcontext(self._of(measurement, part, points)),
            window,
            source(measurement),
        )
        if way == "append" and self.within(measurement, gaps):
            with pytest.raises(RowsUnaccounted):
                append_window(load)
            gaps = ()
        elif way == "append":
            append_window(load)
        elif way == "tail":
            tail_window(load, replace_window)
        elif way == "upsert":
            upsert_window(load)
        else:
            replace_window(load)
        if way != "upsert":
            for key in self.within(measurement, gaps):
                del self.rows[key]
        for (step, host), value in points.items():
            if any(_step(gap.start_us) <= step < _step(gap.end_us) for gap in gaps):
                self.rows[measurement, step, host] = value
        for name, before in others.items():
            after = state(self.catalog, name)
            assert (after.coverage, after.owner, after.lost) == (before.coverage, before.owner, before.lost)

    def _of(self, measurement: str, part: Window, points: Points) -> Batches:
        inside = {key: value for key, value in points.items() if _step(part.start_us) <= key[0] < _step(part.end_us)}
        rows = batch(measurement, inside)
        return Batches(rows.schema, [rows] if inside else [])

    def delete(self, measurement: str | None, window: Window) -> None:
        """Rows go that others delete."""
        table = find_table(self.catalog, NAME)
        if table is None:
            return
        since = GreaterThanOrEqual("time", f"{window.start:%Y-%m-%dT%H:%M:%S}+00:00")  # type: ignore[call-arg,arg-type]
        until = LessThan("time", f"{window.end:%Y-%m-%dT%H:%M:%S}+00:00")  # type: ignore[call-arg,arg-type]
        wanted: Any = And(since, until)
        if measurement is not None:
            wanted = And(wanted, EqualTo("measurement", measurement))  # type: ignore[call-arg,arg-type]
        before = {name: state(self.catalog, name).coverage for name in FIELDS}
        table.delete(wanted)
        gone = {name: self.within(name, [window]) if measurement in (None, name) else set() for name in FIELDS}
        for key in set().union(*gone.values()):
            del self.rows[key]
        for name in FIELDS:
            after = state(self.catalog, name).coverage
            # Of a table that was emptied nothing is loaded, whoever had no rows in it.
            if not gone[name] and self.rows:
                assert after == before[name], "nothing of it went"
            for _, step, _ in gone[name]:
                assert not after.holds(_window(step, 1)), "what is gone is no longer loaded"

    def rewrite(self) -> None:
        """Others write all rows into files with those of several measurements."""
        table = find_table(self.catalog, NAME)
        if table is not None and table.current_snapshot() is not None:
            before = {name: state(self.catalog, name).coverage for name in FIELDS}
            rows = table.scan().to_arrow()
            with table.transaction() as transaction:
                with transaction.update_spec() as spec:
                    for each in table.spec().fields:
                        spec.remove_field(each.name)
                transaction.overwrite(rows)
            for name in FIELDS:
                assert state(self.catalog, name).coverage == before[name], "every row is still there"

    def check(self) -> None:
        if find_table(self.catalog, NAME) is None:
            assert not self.rows
            return
        assert held(self.catalog) == self.rows
        for name in FIELDS:
            table, windows = view(self.catalog, name), [day(0), day(1)]
            expected = [len(self.within(name, [window])) for window in windows]
            assert [count_rows(table, window) for window in windows] == expected
            assert count_by_window(table, windows) == expected
            if "measurement" in table.schema().column_names:
                assert read_windows(table, windows, columns=["measurement"]).read_all().num_rows == sum(expected)


def _step(moment_us: int) -> int:
    return (moment_us - day(0).start_us) // 1_800_000_000


def _window(step: int, steps: int) -> Window:
    start = day(0).start + timedelta(minutes=30 * step)
    return Window(start, start + timedelta(minutes=30 * steps))


NAMES = st.sampled_from(list(FIELDS))
WINDOWS = st.builds(_window, st.integers(0, 95), st.integers(1, 60)).map(
    lambda window: window if window.end <= day(1).end else Window(window.start, day(1).end)
)
LOADS = st.tuples(
    st.sampled_from(["replace", "replace", "upsert", "append", "tail"]),
    NAMES,
    WINDOWS,
    st.dictionaries(
        st.tuples(st.integers(0, 95), st.sampled_from(["a", "b", None])), st.floats(-9, 9).map(float), max_size=8
    ),
)
DEEDS = st.one_of(LOADS, LOADS, LOADS, st.tuples(st.just("delete"), st.none() | NAMES, WINDOWS), st.just(("rewrite",)))


def follow(layout: str, deeds: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Model(local_catalog(Path(folder)), LAYOUTS[layout])
        for deed in deeds:
            match deed:
                case ("rewrite",):
                    model.rewrite()
                case ("delete", measurement, window):
                    model.delete(measurement, window)
                case (way, measurement, window, points):
                    first, last = _step(window.start_us), _step(window.end_us)
                    inside = {key: value for key, value in points.items() if first <= key[0] < last}
                    model.load(way, measurement, window, inside)
            model.check()


@settings(max_examples=8)
@given(layout=st.sampled_from(list(LAYOUTS)), deeds=st.lists(DEEDS, min_size=2, max_size=6))
def test_the_table_holds_what_a_model_of_it_holds(layout: str, deeds: list[Any]) -> None:
    follow(layout, deeds)


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(layout=st.sampled_from(list(LAYOUTS)), deeds=st.lists(DEEDS, min_size=3, max_size=10))
def test_the_table_holds_what_a_model_of_it_holds_in_long_histories(layout: str, deeds: list[Any]) -> None:
    follow(layout, deeds)


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
