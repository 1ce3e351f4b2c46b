"""A process killed at any step leaves the table as it was, or done; the next run makes it right."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.options import CompactOptions, ManifestOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.history.audited_load import audited
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake_tests.unit.iceberg.commit.crashing_writer import AUDITING, COMPACTING, JOINING, SHARE, STEPS, named
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, hours, replace, rows, stream, table
from testbed.loads import load_of

DONE = {"after the catalog", "before old metadata is deleted"}
BATCHES = [f"batch {number}" for number in range(4)]
QUICK = {"before the catalog", "after the catalog"}
"""The steps of a replacement that `make test` kills at; the others are for `make test-servers`."""


def quick_or_slow(step: str) -> object:
    return step if step in QUICK else pytest.param(step, marks=pytest.mark.slow)


BY_POINT = changed(TARGET, key=("host", "count"))


@pytest.mark.parametrize("step", [quick_or_slow(step) for step in ("batch 0", "batch 3", *STEPS)])
def test_killed_while_replacing(step: str, catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 700))
    replace(catalog, day(1), rows(day(1), 70))
    before = held(catalog)

    kill_at(step, lake_folder, "replace")

    after = held(catalog)
    if step in DONE:
        assert after.num_rows == 20_070
    else:
        assert after == before
    commit = replace(catalog, day(0), rows(day(0), 900))
    assert commit.total_rows == 970
    assert held(catalog, [day(1)]).num_rows == 70
    assert_each_file_once(catalog)


@pytest.mark.slow
@pytest.mark.parametrize("step", [*BATCHES, *STEPS, *JOINING])
def test_killed_while_upserting(step: str, catalog: Catalog, lake_folder: Path) -> None:
    there, coming = rows(day(0), 30_000), rows(day(0), 20_000, value=0.5)
    replace(catalog, day(0), there)
    replace(catalog, day(1), rows(day(1), 70))
    before = held(catalog)

    kill_at(step, lake_folder, "upsert")

    if step not in DONE:
        assert held(catalog) == before
    upsert_window(load_of(catalog, BY_POINT, stream(coming), day(0), PROVENANCE))
    assert points(held(catalog, [day(0)])) == {**points(plain(there)), **points(plain(coming))}
    assert held(catalog, [day(1)]).num_rows == 70
    assert_each_file_once(catalog)


@pytest.mark.parametrize("mode", ["audited", pytest.param("audited, overtaken", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "step",
    [
        "before it is published",
        *(pytest.param(step, marks=pytest.mark.slow) for step in ("batch 0", *STEPS, *AUDITING)),
    ],
)
def test_killed_while_a_window_is_audited(step: str, mode: str, catalog: Catalog, lake_folder: Path) -> None:
    """Readers get none of the window, or all of it; what is left on a branch goes with the next load of the window."""
    if step == ("before the fast-forward" if mode.endswith("overtaken") else "before it is committed anew"):
        pytest.skip("not a step of this way")
    replace(catalog, day(0), rows(day(0), 700))
    replace(catalog, day(1), rows(day(1), 70))

    kill_at(step, lake_folder, mode)

    done = step == "after it is published"
    assert held(catalog, [day(0)]).num_rows == (20_000 if done else 700)
    assert held(catalog, [day(1)]).num_rows == 70
    assert table_state(table(catalog)).changes == ()
    assert table_state(table(catalog)).coverage.holds(day(0, 2))
    load = load_of(catalog, TARGET, stream(rows(day(0), 900)), day(0), PROVENANCE)
    audited(changed(load, audit=lambda catalog: []), replace_window, quarantine_of(TARGET))
    assert held(catalog, [day(0)]).num_rows == 900
    assert set(table(catalog).metadata.refs) == {"main"}
    assert_each_file_once(catalog)


@pytest.mark.slow
@pytest.mark.parametrize("step", [*BATCHES, *STEPS])
def test_killed_while_appending(step: str, catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(1), rows(day(1), 70))

    kill_at(step, lake_folder, "append")

    assert held(catalog).num_rows == (20_070 if step in DONE else 70)
    for _ in range(2):
        coming = stream(rows(day(0), 20_000, value=0.5))
        append_window(load_of(catalog, TARGET, lambda part, coming=coming: nullcontext(coming), day(0), PROVENANCE))  # type: ignore[misc]
    assert points(held(catalog, [day(0)])) == points(plain(rows(day(0), 20_000, value=0.5)))
    assert held(catalog).num_rows == 20_070
    assert_each_file_once(catalog)


@pytest.mark.slow
@pytest.mark.parametrize("step", [*BATCHES, *STEPS])
def test_killed_while_tailing(step: str, catalog: Catalog, lake_folder: Path) -> None:
    """A tail adds the rows, or nothing; the next one adds what is missing, and a seal makes the window whole."""
    replace(catalog, day(1), rows(day(1), 70))

    kill_at(step, lake_folder, "tail")

    assert held(catalog).num_rows == (20_070 if step in DONE else 70)
    coming = rows(day(0), 20_000, value=0.5)
    for _ in range(2):
        tail_window(load_of(catalog, TARGET, stream(coming), day(0), PROVENANCE), replace_window)
        assert points(held(catalog, [day(0)])) == points(plain(coming))
        assert table_state(table(catalog)).coverage == Coverage((day(1),), (day(0),))
    assert replace(catalog, day(0), coming).total_rows == 20_070
    assert table_state(table(catalog)).coverage == Coverage((day(0, 2),))
    assert_each_file_once(catalog)


@pytest.mark.parametrize("step", [quick_or_slow(step) for step in COMPACTING])
def test_killed_while_compacting(step: str, catalog: Catalog, lake_folder: Path) -> None:
    """The rows are there, and what is loaded is known; the next compaction, and loads, go on from either state."""
    for at in range(3):
        replace(catalog, hours(0, at * 8, at * 8 + 8), rows(hours(0, at * 8, at * 8 + 8), 300, value=at))
    before, state = held(catalog), table_state(table(catalog))

    kill_at(step, lake_folder, "compact")

    assert held(catalog) == before
    assert table_state(table(catalog)) == state
    assert len(list(table(catalog).scan().plan_files())) == (1 if step in DONE else 3)
    commit = replace(catalog, hours(0, 8, 16), rows(hours(0, 8, 16), 500))
    assert (commit.previous_rows, commit.total_rows) == (300, 1100)
    done = compact(TableTask(catalog, TARGET, "again", day(60).start), CompactOptions())
    assert (done.after.data_files, done.after.rows) == (1, 1100)
    assert_each_file_once(catalog)


@pytest.mark.slow
@pytest.mark.parametrize("step", [step for step in STEPS if "columns" not in step and "file" not in step])
def test_killed_while_rewriting_manifests(step: str, catalog: Catalog, lake_folder: Path) -> None:
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 30))
    before, state = held(catalog), table_state(table(catalog))

    kill_at(step, lake_folder, "rewrite manifests")

    assert (held(catalog), table_state(table(catalog))) == (before, state)
    options = ManifestOptions(min_manifests=2)
    done = rewrite_manifests(TableTask(catalog, TARGET, "again", day(60).start), options)
    assert (done.before.manifests, done.after.manifests) == (1 if step in DONE else 3, 1)
    assert replace(catalog, day(1), rows(day(1), 40)).total_rows == 100
    assert_each_file_once(catalog)


@pytest.mark.parametrize("mode", ["replace", pytest.param("upsert", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "step", ["before the catalog", *(pytest.param(step, marks=pytest.mark.slow) for step in (*BATCHES, *STEPS))]
)
def test_killed_while_loading_one_of_two_measurements(
    step: str, mode: str, catalog: Catalog, lake_folder: Path
) -> None:
    """Also where both have rows in one file, which the load writes anew."""
    cpu = changed(BY_POINT, share=SHARE)
    mem = changed(BY_POINT, share=Share("measurement", "mem"))
    replace(catalog, day(0), named(rows(day(0), 700)), target=cpu)
    replace(catalog, day(0), named(rows(day(0), 70, value=7.0), "mem"), target=mem)
    mixed = table(catalog)
    with mixed.transaction() as transaction:
        with transaction.update_spec() as spec:
            spec.remove_field("measurement")
        transaction.overwrite(mixed.scan().to_arrow())
    before = held(catalog).sort_by("count")

    kill_at(step, lake_folder, f"shared {mode}")

    of_mem = before.filter(pc.equal(before["measurement"], "mem"))
    after = held(catalog).sort_by("count")
    if step not in DONE:
        assert after.select(before.column_names) == before
    kept = after.filter(pc.equal(after["measurement"], "mem"))
    assert kept.select(before.column_names) == of_mem
    for _ in range(2):
        replace(catalog, day(0), named(rows(day(0), 900)), target=cpu)
        assert table(catalog).scan().to_arrow()["measurement"].value_counts().to_pylist() in (
            [{"values": "cpu", "counts": 900}, {"values": "mem", "counts": 70}],
            [{"values": "mem", "counts": 70}, {"values": "cpu", "counts": 900}],
        )
    for share in (cpu.share, mem.share):
        assert table_state(as_known(table(catalog), share=share)).coverage.holds(day(0))
    assert_each_file_once(catalog)


def plain(batch: pa.RecordBatch) -> pa.Table:
    found = pa.Table.from_batches([batch])
    return found.set_column(0, "time", found["time"].cast(pa.timestamp("us", "UTC")))


def points(found: pa.Table) -> dict[object, object]:
    keys = zip(
        found["time"].cast(pa.int64()).to_pylist(), found["host"].to_pylist(), found["count"].to_pylist(), strict=True
    )
    keyed = dict(zip(keys, found["value"].to_pylist(), strict=True))
    assert len(keyed) == found.num_rows
    return keyed


def assert_each_file_once(catalog: Catalog) -> None:
    listed = [task.file.file_path for task in table(catalog).scan().plan_files()]
    assert len(listed) == len(set(listed))
    assert all(Path(path.removeprefix("file://")).exists() for path in listed)


def kill_at(step: str, folder: Path, mode: str) -> None:
    """Run the writer until it says that it reached the step, and kill it there."""
    script = Path(__file__).with_name("crashing_writer.py")
    root = Path(__file__).parents[4]
    with subprocess.Popen(
        [sys.executable, str(script), str(folder), step, mode],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    assert said == "here\n"
