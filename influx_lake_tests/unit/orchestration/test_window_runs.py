"""Several windows in one run: at once, within limits, and each for itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from influx_lake.config import OperationOptions, PoolOptions, RunOptions, WriteOptions
from influx_lake.config.windows import Window
from influx_lake.errors import SourceUnavailable
from influx_lake.orchestration.assets import measurement_asset
from influx_lake.orchestration.partitions import partitions_for
from influx_lake.orchestration.tags import REASON
from influx_lake.replication.parallel import window_memory, windows_at_once
from influx_lake_tests.unit.orchestration.fakes import START, FakeSource, Lake, cpu, hourly_points

DAY = timedelta(days=1)
DAYS = ("2026-01-01", "2026-01-06")


def asset(run: RunOptions | None = None, pools: PoolOptions | None = None) -> dg.AssetsDefinition:
    upstream = dg.AssetSpec(["influxdb", "telemetry", "cpu"], partitions_def=partitions_for(cpu().scheme))
    operation = OperationOptions(run=run or RunOptions(), pools=pools or PoolOptions())
    return measurement_asset(cpu(), {("default", "cpu"): upstream}, operation=operation)


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
        storage = instance.event_log_storage
        pool = "table__telemetry__cpu"
        storage.set_concurrency_slots(pool, 1)
        assert storage.claim_concurrency_slot(pool, "another-run", "its-step").is_claimed
        waited: list[float] = []

        def another_run_ends(seconds: float) -> None:
            waited.append(seconds)
            storage.free_concurrency_slots_for_run("another-run")

        monkeypatch.setattr("influx_lake.orchestration.slots.time", SimpleNamespace(sleep=another_run_ends))
        lake.instance, lake.source.points = instance, hourly_points(1)

        run = lake.run(asset(pools=PoolOptions(table=1)), key="2026-01-01")

        assert run.success
        assert len(waited) == 1
        assert f"waits for a place in the pool {pool}" in run.event_log
        assert storage.get_concurrency_info(pool).claimed_slots == []


def test_a_pool_that_the_instance_does_not_know_gets_the_lakes_limit(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        lake.instance, lake.source.points = instance, hourly_points(1)
        assert lake.run(asset(pools=PoolOptions(table=3)), key="2026-01-01").success
        assert {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()} == {
            "table__telemetry__cpu": 3
        }
