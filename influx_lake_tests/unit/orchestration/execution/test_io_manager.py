from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.table import DataScan, Table

from influx_lake.config.values.windows import Every, Scheme
from influx_lake.orchestration.keys import IO_MANAGER_KEY
from influx_lake.orchestration.partitions import partitions_for
from influx_lake_tests.unit.orchestration.fakes import START, Lake, hourly_points

DAILY = partitions_for(Scheme(Every.DAY, START))
HOURLY = partitions_for(Scheme(Every.HOUR, START))
CPU = {"cpu": dg.AssetIn(["telemetry", "cpu"])}

COUNTERS: dict[Any, Callable[[Any], int]] = {
    pa.Table: lambda rows: rows.num_rows,
    pa.RecordBatchReader: lambda rows: rows.read_all().num_rows,
    pl.LazyFrame: lambda rows: rows.select(pl.len()).collect().item(),
    pl.DataFrame: lambda rows: rows.height,
    duckdb.DuckDBPyRelation: lambda rows: rows.aggregate("count(*)").fetchone()[0],
    DataScan: lambda rows: rows.to_arrow().num_rows,
}


def reader_of(kind: Any, seen: list[Any], partitions: dg.PartitionsDefinition | None, **options: Any) -> Any:
    """An asset that loads cpu as a type and keeps what it got."""

    def body(cpu: Any) -> None:
        seen.append(COUNTERS.get(kind, lambda rows: rows)(cpu))

    body.__annotations__ = {"cpu": kind, "return": None} if kind is not None else {"return": None}
    options.setdefault("ins", CPU)
    return dg.asset(name="reader", partitions_def=partitions, **options)(body)


def writer(output: Callable[[], Any], partitions: dg.PartitionsDefinition | None = DAILY, **options: Any) -> Any:
    """An asset that returns something, stored as the table lake.out."""
    options.setdefault("key", ["lake", "out"])

    @dg.asset(partitions_def=partitions, io_manager_key=IO_MANAGER_KEY, **options)
    def out():  # type: ignore[no-untyped-def]
        return output()

    return out


def table_of(*times: datetime, value: int = 1) -> pa.Table:
    return pa.table(
        {"time": pa.array(times, pa.timestamp("us", "UTC")), "host": ["a"] * len(times), "value": [value] * len(times)}
    )


@pytest.fixture
def loaded(lake: Lake) -> Lake:
    lake.source.points = hourly_points(days=3)
    assert lake.run(lake.cpu(), keys=("2026-01-01", "2026-01-03")).success
    return lake


@pytest.mark.parametrize("kind", COUNTERS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_an_argument_is_loaded_as_its_annotation_says(loaded: Lake, kind: Any) -> None:
    seen: list[Any] = []

    run = loaded.run(loaded.cpu(), reader_of(kind, seen, DAILY), key="2026-01-02")

    assert run.success
    assert seen == [48]


@pytest.mark.parametrize("kind", [pa.Table, pl.LazyFrame])
def test_a_range_loads_the_windows_of_the_range(loaded: Lake, kind: Any) -> None:
    seen: list[Any] = []
    reader = reader_of(kind, seen, DAILY, backfill_policy=dg.BackfillPolicy.single_run())

    assert loaded.run(loaded.cpu(), reader, keys=("2026-01-02", "2026-01-03")).success

    assert seen == [96]


def test_the_pyiceberg_table_comes_whole(loaded: Lake) -> None:
    seen: list[Table] = []

    assert loaded.run(loaded.cpu(), reader_of(Table, seen, DAILY), key="2026-01-02").success

    assert seen[0].scan().to_arrow().num_rows == 144


def test_an_hour_is_loaded_from_its_day(loaded: Lake) -> None:
    # By default an hour depends on the whole day.
    seen: list[Any] = []

    assert loaded.run(loaded.cpu(), reader_of(pa.Table, seen, HOURLY), key="2026-01-02-05:00").success

    assert seen == [48]


def test_a_partition_mapping_decides_the_window(loaded: Lake) -> None:
    seen: list[Any] = []
    mapping = dg.TimeWindowPartitionMapping(start_offset=-1)
    reader = reader_of(
        pl.LazyFrame, seen, DAILY, ins={"cpu": dg.AssetIn(["telemetry", "cpu"], partition_mapping=mapping)}
    )

    assert loaded.run(loaded.cpu(), reader, key="2026-01-03").success

    assert seen == [96]


def test_windows_apart_are_loaded_without_what_is_between(loaded: Lake) -> None:
    seen: list[Any] = []
    mapping = dg.SpecificPartitionsPartitionMapping(["2026-01-01", "2026-01-03"])
    for kind in (pa.Table, pl.LazyFrame):
        ins = {"cpu": dg.AssetIn(["telemetry", "cpu"], partition_mapping=mapping)}
        assert loaded.run(loaded.cpu(), reader_of(kind, seen, None, ins=ins)).success

    assert seen == [96, 96]


def test_an_asset_without_partitions_loads_every_window(loaded: Lake) -> None:
    seen: list[Any] = []

    assert loaded.run(loaded.cpu(), reader_of(pl.LazyFrame, seen, None)).success

    assert seen == [144]


def test_a_duckdb_relation_can_be_asked_twice_and_by_its_name(loaded: Lake) -> None:
    seen: list[Any] = []

    @dg.asset(name="reader", ins=CPU, partitions_def=DAILY)
    def reader(cpu: duckdb.DuckDBPyRelation) -> None:
        query = "SELECT count(*), min(host), max(usage) FROM cpu"
        seen.append(duckdb.sql(query).fetchone())
        seen.append(cpu.query("cpu", query).fetchone())

    assert loaded.run(loaded.cpu(), reader, key="2026-01-01").success

    assert seen == [(48, "host0", 47.0)] * 2


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (dict, "the argument cpu asks for builtins.dict"),
        (None, "the argument cpu has no type annotation"),
    ],
)
def test_another_annotation_is_refused_with_those_that_are_known(loaded: Lake, kind: Any, message: str) -> None:
    failure = loaded.run(loaded.cpu(), reader_of(kind, [], DAILY), key="2026-01-01").failure

    assert message in str(failure.description)
    assert "pyarrow.Table, pyarrow.RecordBatchReader, polars.LazyFrame" in str(failure.description)


def test_a_table_that_does_not_exist_is_named(lake: Lake) -> None:
    failure = lake.run(lake.cpu(), reader_of(pa.Table, [], DAILY), key="2026-01-01").failure

    assert "there is no table telemetry.cpu in the catalog lake" in str(failure.description)


@pytest.mark.parametrize(("kind", "library"), [(pl.LazyFrame, "polars"), (duckdb.DuckDBPyRelation, "duckdb")])
def test_a_library_that_is_not_installed_is_named(
    loaded: Lake, kind: Any, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    failure = loaded.run(loaded.cpu(), reader_of(kind, [], DAILY), key="2026-01-01").failure

    assert f"pip install 'influx-lake[{library}]'" in str(failure.description)


ROWS = table_of(START, START + timedelta(hours=5))
OUTPUTS: dict[str, Callable[[], Any]] = {
    "pyarrow.Table": lambda: ROWS,
    "pyarrow.RecordBatchReader": ROWS.to_reader,
    "polars.DataFrame": lambda: pl.DataFrame(ROWS),
    "polars.DataFrame with categories": lambda: pl.DataFrame(ROWS).cast({"host": pl.Categorical}),
    "polars.LazyFrame": lambda: pl.LazyFrame(ROWS),
    "duckdb.DuckDBPyRelation": lambda: duckdb.from_arrow(ROWS),
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_what_an_asset_returns_replaces_its_window(lake: Lake, output: Callable[[], Any]) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        moment = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        assert lake.run(writer(lambda moment=moment: table_of(moment, value=7)), key=day).success

    run = lake.run(writer(output), key="2026-01-01")

    assert run.success
    assert [(row["time"], row["host"], row["value"]) for row in lake.rows("lake", "out")] == [
        (START, "a", 1),
        (START + timedelta(hours=5), "a", 1),
        (START + timedelta(hours=36), "a", 7),
    ]
    facts = run.partitions["2026-01-01"]
    assert (facts["dagster/partition_row_count"], facts["dagster/row_count"], facts["files"]) == (2, 3, 1)


def test_a_run_over_a_range_counts_each_partition(lake: Lake) -> None:
    rows = table_of(*(START + timedelta(hours=hour) for hour in (0, 1, 50)))
    out = writer(lambda: rows, backfill_policy=dg.BackfillPolicy.single_run())

    run = lake.run(out, keys=("2026-01-01", "2026-01-03"))

    counts = {key: facts["dagster/partition_row_count"] for key, facts in run.partitions.items()}
    assert counts == {"2026-01-01": 2, "2026-01-02": 0, "2026-01-03": 1}
    # What one commit wrote for three partitions is no partition's own figure.
    assert all("bytes" not in facts for facts in run.partitions.values())


def test_another_column_may_hold_the_time(lake: Lake) -> None:
    rows = ROWS.rename_columns(["ts", "host", "value"])

    seen: list[Any] = []
    out = writer(lambda: rows, metadata={"time_column": "ts"})
    reader = reader_of(pa.Table, seen, HOURLY, ins={"cpu": dg.AssetIn(["lake", "out"])})

    assert lake.run(out, key="2026-01-01").success
    assert lake.run(out, reader, key="2026-01-01-05:00").success

    assert seen == [2]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda: None, "the asset returned builtins.NoneType, which is not rows"),
        (lambda: {"a": 1}, "the asset returned builtins.dict, which is not rows"),
        (lambda: table_of(START + timedelta(days=9)), "beyond the window 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"),
        (lambda: pa.table({"value": [1]}), "have no column 'time'"),
    ],
)
def test_what_is_not_the_rows_of_the_window_is_refused(lake: Lake, output: Callable[[], Any], message: str) -> None:
    failure = lake.run(writer(output), key="2026-01-01").failure

    assert "lake/out" in str(failure.description)
    assert message in str(failure.description)


def test_an_asset_without_windows_is_refused(lake: Lake) -> None:
    whole = lake.run(writer(lambda: ROWS, partitions=None)).failure
    cities = lake.run(writer(lambda: ROWS, partitions=dg.StaticPartitionsDefinition(["x"])), key="x").failure

    assert "asset lake/out has no partitions" in str(whole.description)
    assert "asset lake/out has StaticPartitionsDefinition" in str(cities.description)


def test_a_key_of_one_part_is_a_table_of_the_default_namespace(lake: Lake) -> None:
    assert lake.run(writer(lambda: ROWS, key="solo"), key="2026-01-01").success

    assert len(lake.rows("default", "solo")) == 2
