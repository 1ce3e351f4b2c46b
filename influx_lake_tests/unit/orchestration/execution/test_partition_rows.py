"""Several windows in one run: at once, within limits, and each for itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import OperationOptions, PoolOptions, RunOptions, WriteOptions
from influx_lake.config.measurements.history import History
from influx_lake.config.values.windows import Window
from influx_lake.errors import ColumnsChanged, SourceUnavailable, WindowInterrupted
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.orchestration.assets.measurement_assets import AssetOptions, measurement_asset
from influx_lake.orchestration.execution.partition_rows import PartitionWindow
from influx_lake.orchestration.keys import IO_MANAGER_KEY
from influx_lake.orchestration.partitions import partitions_for
from influx_lake.orchestration.pool_slots import Pool
from influx_lake.orchestration.pools import SourcePools
from influx_lake.orchestration.tags import REASON
from influx_lake.replication import modes
from influx_lake.replication.parallel import window_memory, windows_at_once
from influx_lake_tests.unit.orchestration.fakes import START, FakeSource, Lake, cpu, hourly_points

DAY = timedelta(days=1)
DAYS = ("2026-01-01", "2026-01-06")


UPSTREAM = dg.AssetSpec(["influxdb", "telemetry", "cpu"], partitions_def=partitions_for(cpu().scheme))


def asset(run: RunOptions | None = None, pools: PoolOptions | None = None) -> dg.AssetsDefinition:
    operation = OperationOptions(run=run or RunOptions(), pools=pools or PoolOptions())
    return measurement_asset(cpu(), AssetOptions({("default", "cpu"): UPSTREAM}, operation=operation))


def with_a_past() -> dg.AssetsDefinition:
    """The asset of cpu, of which the first two days come from another source."""
    past = dg.AssetSpec(["influxdb", "old", "cpu"], partitions_def=partitions_for(cpu().scheme))
    measurement = replace(cpu(), history=History("archive", START + 2 * DAY))
    pools = SourcePools("influxdb_default", {"archive": Pool("influxdb_archive", None)})
    upstream = {("default", "cpu"): UPSTREAM, ("archive", "cpu"): past}
    return measurement_asset(measurement, AssetOptions(upstream, pools={measurement.path: pools}))


def shared() -> dg.AssetsDefinition:
    """The asset of cpu, whose source holds the past of another measurement."""
    pools = SourcePools("influxdb_default", {"default": Pool("influxdb_default", None)})
    return measurement_asset(cpu(), AssetOptions({("default", "cpu"): UPSTREAM}, pools={cpu().path: pools}))


@contextmanager
def instance_with_pools(granularity: str) -> Iterator[dg.DagsterInstance]:
    """An instance in which each pool has one place."""
    settings = {"concurrency": {"pools": {"granularity": granularity, "default_limit": 1}}}
    with dg.instance_for_test(overrides=settings) as instance:
        yield instance


@dataclass
class AnotherRun:
    """Has the only place of a pool, until a run waits for it.

    Attributes:
        instance: Dagster's.
        pool: The pool.
        waits: How often somebody waited.
    """

    instance: dg.DagsterInstance
    pool: str
    waits: int = 0

    def __post_init__(self) -> None:
        storage = self.instance.event_log_storage
        storage.set_concurrency_slots(self.pool, 1)
        assert storage.claim_concurrency_slot(self.pool, "another-run", "its-step").is_claimed

    def end(self, _seconds: float) -> None:
        """End, as somebody waits."""
        self.waits += 1
        self.instance.event_log_storage.free_concurrency_slots_for_run("another-run")


def together(count: int) -> FakeSource:
    """A source that answers only when so many windows are read at the same time."""
    barrier = threading.Barrier(count)

    def failing(window: Window) -> None:
        barrier.wait(timeout=20)

    return FakeSource(hourly_points(6), failing=failing)


@pytest.mark.parametrize("at_once", [2, 3])
def test_windows_are_read_at_the_same_time(lake: Lake, at_once: int) -> None:
    lake.source = together(at_once)

    run = lake.run(asset(RunOptions(parallel_windows=at_once)), keys=DAYS)

    assert run.success
    assert len(lake.rows("telemetry", "cpu")) == len(lake.source.points)
    assert {facts["dagster/partition_row_count"] for facts in run.partitions.values()} == {48}
    assert len(run.partitions) == 6


def test_one_at_a_time_where_that_is_said_or_memory_is_short() -> None:
    measurement = cpu()
    assert windows_at_once(RunOptions(parallel_windows=1), measurement) == 1
    assert windows_at_once(RunOptions(parallel_windows=8, memory=1_000_000), measurement) == 1
    assert windows_at_once(RunOptions(parallel_windows=8, memory=window_memory(measurement) * 3), measurement) == 3
    large = replace(measurement, write=WriteOptions(sort_by=["host"], row_group_size=1_000_000))  # type: ignore[arg-type]
    assert window_memory(large) > 2 * window_memory(measurement)


def test_after_a_failure_what_was_under_way_is_kept_and_nothing_else_is_begun(lake: Lake) -> None:
    begun: list[Window] = []
    failed = threading.Event()

    def failing(window: Window) -> Exception | None:
        begun.append(window)
        if window.start == START + DAY:
            failed.set()
            return SourceUnavailable("the server is away")
        # The first window ends after the second one failed.
        assert failed.wait(timeout=20)
        return None

    lake.source = FakeSource(hourly_points(6), failing=failing)

    run = lake.run(asset(RunOptions(parallel_windows=2)), keys=DAYS)

    assert not run.success
    assert "2026-01-02T00:00:00Z" in str(run.failure.description)
    # One more may have been begun between the end of the first and the news of the failure.
    assert set(run.partitions) >= {"2026-01-01"}
    assert "2026-01-02" not in run.partitions
    assert len(begun) <= 3


def test_a_run_that_somebody_started_says_what_it_loads(lake: Lake) -> None:
    lake.source.points = hourly_points(3)

    run = lake.run(asset(), keys=("2026-01-01", "2026-01-03"))

    record = lake.instance.get_run_by_id(run.result.run_id)
    assert record is not None
    assert record.tags["influx_lake/measurement"] == "cpu"
    assert record.tags["influx_lake/window"] == "2026-01-01T00:00:00Z/2026-01-04T00:00:00Z"
    assert REASON not in record.tags
    assert "cpu: window 3 of 3" in run.event_log


def test_a_run_waits_for_its_place_in_the_tables_pool(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        another = AnotherRun(instance, "table__telemetry__cpu")
        monkeypatch.setattr("influx_lake.orchestration.pool_slots.time", SimpleNamespace(sleep=another.end))
        lake.instance, lake.source.points = instance, hourly_points(1)

        run = lake.run(asset(pools=PoolOptions(table=1)), key="2026-01-01")

        assert run.success
        assert another.waits == 1
        assert f"waits for a slot of the pool {another.pool}" in run.event_log
        assert instance.event_log_storage.get_concurrency_info(another.pool).claimed_slots == []


@pytest.mark.slow
def test_a_pool_that_the_instance_does_not_know_gets_the_lakes_limit(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        lake.instance, lake.source.points = instance, hourly_points(1)
        assert lake.run(asset(pools=PoolOptions(table=3)), key="2026-01-01").success
        assert {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()} == {
            "table__telemetry__cpu": 3
        }


@pytest.mark.slow
@pytest.mark.parametrize(("day", "waits"), [("2026-01-01", 1), ("2026-01-04", 0)])
def test_a_run_that_reads_the_past_waits_for_its_place_there(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, day: str, waits: int
) -> None:
    with instance_with_pools("run") as instance:
        another = AnotherRun(instance, "influxdb_archive")
        monkeypatch.setattr("influx_lake.orchestration.pool_slots.time", SimpleNamespace(sleep=another.end))
        lake.instance, lake.source.points = instance, hourly_points(4)

        assert lake.run(with_a_past(), key=day).success

    assert another.waits == waits


def test_a_run_on_a_source_that_holds_a_past_waits_for_those_that_read_the_past(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with instance_with_pools("run") as instance:
        another = AnotherRun(instance, "influxdb_default")
        monkeypatch.setattr("influx_lake.orchestration.pool_slots.time", SimpleNamespace(sleep=another.end))
        lake.instance, lake.source.points = instance, hourly_points(1)

        assert lake.run(shared(), key="2026-01-01").success

    assert another.waits == 1


@pytest.mark.slow
def test_a_step_that_has_its_place_takes_no_second_one(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_seconds: float) -> None:
        raise AssertionError("it waited for itself")

    with instance_with_pools("op") as instance:
        monkeypatch.setattr("influx_lake.orchestration.pool_slots.time", SimpleNamespace(sleep=nothing))
        lake.instance, lake.source.points = instance, hourly_points(1)
        assert lake.run(shared(), key="2026-01-01").success


@pytest.mark.slow
def test_a_pool_without_a_limit_anywhere_lets_everybody_in(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        lake.instance, lake.source.points = instance, hourly_points(1)
        assert lake.run(with_a_past(), key="2026-01-01").success
        assert not instance.event_log_storage.get_pool_limits()


@dataclass(frozen=True)
class MadeWindow:
    """Rows for a window, made when they are read."""

    catalog: Catalog
    window: Window
    run_id: str
    read: list[Window]
    subject = "made"

    def load(self) -> WindowLoad:
        @contextmanager
        def read(window: Window) -> Iterator[pa.RecordBatchReader]:
            self.read.append(window)
            if len(self.read) == 1:
                raise WindowInterrupted("it broke off")
            yield pa.table({"time": pa.array([window.start], pa.timestamp("us", "UTC")), "n": [1]}).to_reader()

        target = TableTarget(("telemetry", "made"))
        return WindowLoad(self.catalog, target, Provenance("made://", self.run_id), self.window, read)

    def loaded(self, done: WindowResult) -> WindowResult:
        return done


@dataclass(frozen=True)
class MadeRows:
    """What an asset of somebody's own returns."""

    read: list[Window]
    at_once: int = 1

    @contextmanager
    def opened(
        self, context: dg.OutputContext, catalog: Catalog, partitions: Mapping[str, Window]
    ) -> Iterator[list[PartitionWindow]]:
        yield [
            PartitionWindow(
                MadeWindow(catalog, window, context.run_id, self.read),
                lambda done, key=key: {key: {"made": dg.MetadataValue.int(done.rows)}},  # type: ignore[misc]
            )
            for key, window in partitions.items()
        ]


def test_an_asset_of_ones_own_returns_windows_that_are_read_as_they_are_written(lake: Lake) -> None:
    read: list[Window] = []

    @dg.asset(
        key=["telemetry", "made"],
        partitions_def=partitions_for(cpu().scheme),
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key=IO_MANAGER_KEY,
    )
    def made() -> MadeRows:
        return MadeRows(read)

    run = lake.run(made, keys=("2026-01-01", "2026-01-02"))

    assert run.success
    assert {key: facts["made"] for key, facts in run.partitions.items()} == {"2026-01-01": 1, "2026-01-02": 1}
    first, second = (Window(START + n * DAY, START + (n + 1) * DAY) for n in range(2))
    assert read == [first, first, second]
    assert [row["time"] for row in lake.rows("telemetry", "made")] == [START, START + DAY]


@pytest.mark.parametrize("once", [False, True])
def test_a_frame_is_read_anew_where_the_table_changed_meanwhile(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    replace_window, calls = modes.replace_window, list[WindowLoad]()

    def changed_once(load: WindowLoad) -> WindowResult:
        calls.append(load)
        if len(calls) == 1:
            with load.read(load.window) as rows:
                list(rows)
            raise ColumnsChanged("somebody added a column")
        return replace_window(load)

    monkeypatch.setattr(modes, "replace_window", changed_once)

    @dg.asset(key=["telemetry", "own"], partitions_def=partitions_for(cpu().scheme), io_manager_key=IO_MANAGER_KEY)
    def own() -> Any:
        table = pa.table({"time": pa.array([START], pa.timestamp("us", "UTC")), "n": [1]})
        return table.to_reader() if once else table

    run = lake.run(own, key="2026-01-01")

    assert run.success is not once
    if once:
        assert "a RecordBatchReader can be read once" in str(run.failure.description)
    else:
        assert len(lake.rows("telemetry", "own")) == 1
