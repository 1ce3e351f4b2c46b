"""Windows of a roll-up: replaced as a whole, following their measurement's table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.types import DoubleType

from influx_lake.config import OnShrink
from influx_lake.config.values.buckets import bucket_runs
from influx_lake.config.values.windows import Every, Scheme, Window, window_of
from influx_lake.errors import ForeignTable, SchemaConflict, StorageError, WindowNotLoaded, WindowShrank
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.table_state import table_state
from influx_lake.rollups import computation
from influx_lake.rollups.query import bucket_sql
from influx_lake_tests.unit.rollups.points import (
    CPU,
    SCHEMA,
    START,
    Row,
    day,
    expected,
    held,
    hour_of,
    load,
    rolled,
    rollup,
    same,
)


def rows_of(number: int, count: int = 100, /, **values: Any) -> list[Row]:
    step = timedelta(days=1) / count
    start = START + timedelta(days=number)
    return [
        {"time": start + step * index, "host": f"host{index % 3}", "usage": float(index), **values}
        for index in range(count)
    ]


def test_a_window_is_replaced_and_the_others_stay(catalog: Catalog) -> None:
    hourly, fields = rollup(functions=["mean", "p95"]), {"usage": ["mean", "p95"]}
    of_usage = replace(hourly, functions=(), fields=dict(rollup(fields=fields).fields))
    for number in (0, 1):
        load(catalog, rows_of(number), day(number))
        rolled(catalog, of_usage, day(number))
    load(catalog, rows_of(0, 40), day(0))

    for _ in range(2):
        result = rolled(catalog, of_usage, day(0))

    rows = [*rows_of(0, 40), *rows_of(1)]
    rows = [{**dict.fromkeys(SCHEMA.names), **row} for row in rows]
    assert same(held(catalog, of_usage), expected(rows, hour_of, fields, by=("host", "region")))
    snapshots = catalog.load_table(of_usage.identifier).metadata.snapshots
    # One for each time that it was computed.
    assert len(snapshots) == 4
    assert result.commit.previous_rows == result.rows


@pytest.mark.parametrize("on_shrink", OnShrink)
def test_a_window_that_became_empty_is_as_on_shrink_says(catalog: Catalog, on_shrink: OnShrink) -> None:
    hourly, cpu = rollup(functions=["mean"]), replace(CPU, on_shrink=on_shrink)
    load(catalog, rows_of(0))
    rolled(catalog, hourly, measurement=cpu)
    before = held(catalog, hourly)
    load(catalog, [])

    if on_shrink is OnShrink.FAIL:
        with pytest.raises(WindowShrank, match=r"telemetry.cpu has no points .* telemetry.cpu_r holds 72 rows"):
            rolled(catalog, hourly, measurement=cpu)
    else:
        rolled(catalog, hourly, measurement=cpu)
    assert held(catalog, hourly) == ([] if on_shrink is OnShrink.REPLACE else before)
    assert table_state(catalog.load_table(hourly.identifier)).coverage.holds(day())


def test_a_roll_up_is_complete_as_far_as_its_measurement(catalog: Catalog) -> None:
    hourly, noon = rollup(functions=["mean"]), START + timedelta(hours=12)
    morning = Window(START, noon)
    load(catalog, rows_of(0)[:50], morning)

    rolled(catalog, hourly)

    assert table_state(catalog.load_table(hourly.identifier)).coverage.intervals == (morning,)


@pytest.mark.parametrize("on_shrink", OnShrink)
def test_aggregates_of_points_that_others_took_stay(catalog: Catalog, on_shrink: OnShrink) -> None:
    hourly, cpu = rollup(functions=["mean"]), replace(CPU, on_shrink=on_shrink)
    load(catalog, rows_of(0))
    rolled(catalog, hourly, measurement=cpu)
    before = held(catalog, hourly)
    catalog.load_table(CPU.identifier).delete("time >= '2026-01-01T12:00:00+00:00'")

    if on_shrink is OnShrink.REPLACE:
        assert 0 < rolled(catalog, hourly, measurement=cpu).rows < len(before)
        return
    with pytest.raises(WindowNotLoaded, match=r"cpu_r was computed from points .* 2026-01-01T12:00:00Z"):
        rolled(catalog, hourly, measurement=cpu)
    assert held(catalog, hourly) == before
    load(catalog, rows_of(0))
    rolled(catalog, hourly, measurement=cpu)
    assert held(catalog, hourly) == before


def test_aggregates_of_a_window_that_was_rolled_back_stay(catalog: Catalog) -> None:
    hourly = rollup(functions=["mean"])
    load(catalog, [], day(1))
    load(catalog, rows_of(0))
    rolled(catalog, hourly)
    before = held(catalog, hourly)
    table = catalog.load_table(CPU.identifier)
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[0].snapshot_id).commit()

    with pytest.raises(WindowNotLoaded, match="holds nothing of the window"):
        rolled(catalog, hourly)
    assert held(catalog, hourly) == before


def test_a_window_that_began_within_the_lag_is_rolled_up_and_stays_due(catalog: Catalog) -> None:
    # As between midnight and ten past: a load of today covers nothing, since no point is older than the lag.
    hourly, cpu = rollup(functions=["mean"]), replace(CPU, lag=datetime.now(UTC) - START + timedelta(minutes=1))
    load(catalog, rows_of(0), complete_until=START)

    for _ in range(2):
        assert rolled(catalog, hourly, measurement=cpu).rows == len(held(catalog, hourly)) > 0
    assert table_state(catalog.load_table(hourly.identifier)).coverage.gaps(day()) == (day(),)

    with pytest.raises(WindowNotLoaded, match="holds nothing of the window"):
        rolled(catalog, hourly)
    load(catalog, rows_of(0))
    rolled(catalog, hourly)
    assert table_state(catalog.load_table(hourly.identifier)).coverage.holds(day())


def test_a_field_and_a_tag_that_appear_later_become_columns(catalog: Catalog) -> None:
    hourly = rollup(every="1d", functions=["max"])
    first = pa.schema([field for field in SCHEMA if field.name in ("time", "host", "usage")])
    load(catalog, rows_of(0, 3), schema=first, tags=("host",))
    rolled(catalog, hourly)
    load(catalog, rows_of(1, 3, region="eu", count=7), day(1))

    rolled(catalog, hourly, day(1))

    one, other = held(catalog, hourly)[0], held(catalog, hourly)[-1]
    assert (one["usage_max"], one["region"], one["count_max"]) == (0.0, None, None)
    assert (other["usage_max"], other["region"], other["count_max"]) == (2.0, "eu", 7)
    docs = {field.name: field.doc for field in catalog.load_table(hourly.identifier).schema().fields}
    assert docs["count_max"] == "Largest value of count"


def test_a_field_that_became_wider_becomes_wider(catalog: Catalog) -> None:
    daily = rollup(every="1d", functions=["max"], by=())
    small = pa.schema([("time", pa.timestamp("ns")), ("usage", pa.float32())])
    load(catalog, rows_of(0, 3), schema=small)
    rolled(catalog, daily)
    with catalog.load_table(CPU.identifier).update_schema() as update:
        update.update_column("usage", field_type=DoubleType())

    rolled(catalog, daily)

    assert str(catalog.load_table(daily.identifier).schema().find_field("usage_max").field_type) == "double"


def test_a_field_of_another_type_stops_the_run(catalog: Catalog) -> None:
    daily = rollup(every="1d", fields={"usage": ["last"]}, by=())
    load(catalog, rows_of(0, 3))
    rolled(catalog, daily)
    catalog.drop_table(CPU.identifier)
    load(
        catalog,
        [{"time": START, "usage": "high"}],
        schema=pa.schema([("time", pa.timestamp("ns")), ("usage", "string")]),
    )

    with pytest.raises(SchemaConflict, match="'usage_last' is string in the source and double in the table"):
        rolled(catalog, daily)


def test_rows_of_another_definition_are_not_mixed_in(catalog: Catalog) -> None:
    load(catalog, rows_of(0))
    rolled(catalog, rollup("1h", ["mean"]))
    quarters = rollup("15m", ["mean"])

    with pytest.raises(ForeignTable, match=r"holds the rows of rollup://telemetry\.cpu/r\?every=1h, and"):
        rolled(catalog, quarters)
    with pytest.raises(ForeignTable, match="every=1h&by=host"):
        rolled(catalog, rollup("1h", ["mean"], by=("host",)))

    assert rolled(catalog, replace(quarters, adopt=True)).rows


def test_two_roll_ups_of_one_table_are_strangers(catalog: Catalog) -> None:
    load(catalog, rows_of(0))
    rolled(catalog, rollup("1h", ["mean"]))

    with pytest.raises(ForeignTable):
        rolled(catalog, rollup("1h", ["mean"], name="other"))


def test_many_rows_are_computed_in_parts(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    result = computation.RollupQuery.result
    monkeypatch.setattr(
        computation.RollupQuery, "result", lambda *of: asked.append(str(of[2] if len(of) > 2 else None)) or result(*of)
    )
    rows = [{**dict.fromkeys(SCHEMA.names), **row} for row in rows_of(0, 5000)]
    load(catalog, rows)
    fields = {"usage": ["mean", "p95", "first", "sum", "count"]}

    # Less than can be set: the rows would be too many for a quick test.
    rolled(catalog, rollup(fields=fields, memory_limit=40_000_000))
    whole = held(catalog, rollup())
    monkeypatch.setattr(computation, "_PERCENTILE_BYTES", 20_000)
    rolled(catalog, rollup(fields=fields, memory_limit=40_000_000))

    assert asked == ["None", *(str((part, 6)) for part in range(6))]
    assert same(held(catalog, rollup()), whole)
    assert same(whole, expected(rows, hour_of, fields, by=("host", "region")))


def test_a_group_that_cannot_fit_is_refused_before(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    load(catalog, rows_of(0, 5000))
    monkeypatch.setattr(computation, "_PERCENTILE_BYTES", 20_000)

    with pytest.raises(StorageError, match=r"percentiles of 5,000 rows in one bucket.* Set memory_limit to 100MB"):
        rolled(catalog, rollup("1d", fields={"usage": ["p95"]}, by=(), memory_limit=64_000_000))


def test_a_failure_while_reading_is_the_failure_of_the_window(catalog: Catalog) -> None:
    load(catalog, rows_of(0))
    [task] = catalog.load_table(CPU.identifier).scan().plan_files()
    Path(task.file.file_path.removeprefix("file://")).unlink()

    with pytest.raises(StorageError, match="window 2026-01-01"):
        rolled(catalog, rollup(functions=["mean"]))


def test_a_folder_that_is_not_there_is_named(catalog: Catalog, tmp_path: Path) -> None:
    load(catalog, rows_of(0))

    with pytest.raises(StorageError, match=r"cannot wait on disk, in .*nowhere: No such file.* spill_directory"):
        rolled(catalog, rollup(functions=["mean"], spill_directory=f"{tmp_path}/nowhere"))


def test_nothing_stays_on_disk(catalog: Catalog, tmp_path: Path) -> None:
    load(catalog, rows_of(0))
    (tmp_path / "spill").mkdir()

    rolled(catalog, rollup(functions=["p95"], spill_directory=f"{tmp_path}/spill"))

    assert list((tmp_path / "spill").iterdir()) == []


BERLIN = "Europe/Berlin"


@settings(max_examples=25, deadline=None)
@given(
    month=st.integers(1, 12),
    length=st.sampled_from(["15m", "1h", "6h", "90m", "1d", "month"]),
    places=st.lists(st.integers(0, 10**9), min_size=1, max_size=50),
)
def test_each_point_is_in_its_bucket(month: int, length: str, places: list[int]) -> None:
    of = rollup(length)
    window = window_of(Every.MONTH, BERLIN, START.replace(month=month, day=15))
    times = [window.start_us + place * (window.end_us - window.start_us) // (10**9 + 1) for place in places]
    runs = bucket_runs(of.bucket, window, BERLIN)

    t = pa.table({"t": times})
    found = duckdb.connect().register("points", t).execute(f"SELECT {bucket_sql(runs)} FROM points").fetchall()

    ends = [*(run.start_us for run in runs[1:]), window.end_us]
    starts = [start for run, end in zip(runs, ends, strict=True) for start in range(run.start_us, end, run.step_us)]
    assert [start for (start,) in found] == [max(start for start in starts if start <= time) for time in times]


def test_days_of_a_time_zone(tmp_path: Path) -> None:
    catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/z.db", "warehouse": f"{tmp_path}/z"})
    october = window_of(Every.MONTH, BERLIN, START.replace(month=10, day=25))
    power = replace(CPU, scheme=Scheme(Every.MONTH, october.start, BERLIN))
    hours = (october.end - october.start) // timedelta(hours=1)
    rows = [{"time": october.start + timedelta(hours=hour), "usage": 1.0, "host": "a"} for hour in range(hours)]
    load(catalog, rows, october)
    daily = rollup("1d", fields={"usage": ["count"]})

    rolled(catalog, daily, october, power)

    found = held(catalog, daily)
    assert [row["usage_count"] for row in found] == [24] * 24 + [25] + [24] * 6
    assert found[25]["time"] - found[24]["time"] == timedelta(hours=25)
