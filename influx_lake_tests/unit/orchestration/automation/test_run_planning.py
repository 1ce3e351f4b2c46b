"""Due windows become few runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.test_utils import create_run_for_test

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every, Window
from influx_lake.orchestration.automation.run_planning import Chunk, chunks_of, run_requests
from influx_lake.orchestration.partitions import partitions_for
from influx_lake.orchestration.recent_runs import LONGEST_PAUSE, RecentRuns, pause_after
from influx_lake.orchestration.tags import Reason
from influx_lake.replication.planning.due import DueWindow
from influx_lake_tests.unit.orchestration.fakes import START, cpu

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def due(days: Sequence[int], name: str = "cpu", **options: object) -> list[DueWindow]:
    measurement: Measurement = replace(cpu(name=name), **options)  # type: ignore[arg-type]
    starts = [START + (day - 1) * DAY for day in days]
    return [DueWindow(measurement, Window(start, start + DAY)) for start in starts]


def told(chunks: Sequence[Chunk]) -> list[tuple[list[int], list[str]]]:
    return [
        ([window.start.day for window in chunk.windows], [measurement.key for measurement in chunk.measurements])
        for chunk in chunks
    ]


def finished_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: dict[str, str], *assets: str
) -> dg.DagsterRun:
    return create_run_for_test(
        instance,
        status=status,
        tags=tags,
        asset_selection=frozenset(dg.AssetKey(["telemetry", name]) for name in assets),
    )


def test_measurements_that_need_the_same_windows_share_a_run() -> None:
    chunks = chunks_of([*due([1, 2, 3]), *due([1, 2, 3], "mem"), *due([2, 3], "disk")])
    assert told(chunks) == [([1, 2, 3], ["cpu", "mem"]), ([2, 3], ["disk"])]


def test_a_stretch_is_cut_where_a_run_has_enough_and_at_gaps_from_the_newest_back() -> None:
    chunks = chunks_of(due([1, 2, 3, 4, 5, 7], windows_per_run=2))
    assert told(chunks) == [([7], ["cpu"]), ([4, 5], ["cpu"]), ([2, 3], ["cpu"]), ([1], ["cpu"])]


def test_measurements_are_spread_over_runs() -> None:
    names = [f"m{number:02}" for number in range(60)]
    chunks = chunks_of([each for name in names for each in due([1], name)])
    assert [len(chunk.measurements) for chunk in chunks] == [25, 25, 10]


def test_measurements_of_several_schemes_do_not_share_a_run() -> None:
    hour = Window(START, START + timedelta(hours=1))
    chunks = chunks_of([*due([1]), DueWindow(cpu(Every.HOUR, "mem"), hour)])
    assert sorted(chunk.scheme.every for chunk in chunks) == [Every.DAY, Every.HOUR]


def test_a_window_that_failed_comes_with_fewer_others_each_time() -> None:
    bad = due([2])[0]
    for failures, expected in ((1, [6, 2]), (2, [6, 2]), (9, [6, 1, 1])):
        chunks = chunks_of(
            due(range(1, 9), windows_per_run=8), failures=lambda each, n=failures: n * (each.window == bad.window)
        )
        assert [len(chunk.windows) for chunk in chunks] == expected, failures


def test_a_request_names_assets_partitions_and_reason() -> None:
    [request] = run_requests([*due([1, 2, 3]), *due([1, 2, 3], "mem")], Reason.MISSED, RecentRuns(NOW))
    assert request.asset_selection == [dg.AssetKey(["telemetry", "cpu"]), dg.AssetKey(["telemetry", "mem"])]
    assert request.partition_key is None
    assert request.tags == {
        "influx_lake/measurements": "cpu, mem",
        "influx_lake/window": "2026-01-01T00:00:00Z/2026-01-04T00:00:00Z",
        "influx_lake/reason": "missed",
        "dagster/asset_partition_range_start": "2026-01-01",
        "dagster/asset_partition_range_end": "2026-01-03",
    }


def test_one_window_is_one_partition() -> None:
    [request] = run_requests(due([1]), Reason.SCHEDULED, RecentRuns(NOW), job_name="lake", tags={"team": "x"})
    assert (request.partition_key, request.job_name) == ("2026-01-01", "lake")
    assert request.tags["influx_lake/measurement"] == "cpu"
    assert request.tags["team"] == "x"
    assert "dagster/asset_partition_range_start" not in request.tags


def test_the_newest_come_first_when_not_all_can_come() -> None:
    requests = run_requests(due(range(1, 11), windows_per_run=2), Reason.MISSED, RecentRuns(NOW), limit=2)
    assert [request.tags["dagster/asset_partition_range_end"] for request in requests] == ["2026-01-10", "2026-01-08"]


def test_each_request_of_a_moment_has_a_key_of_its_own_and_another_the_next_time() -> None:
    windows = [*due(range(1, 11), windows_per_run=2), *due([4], "mem")]
    keys = [
        [request.run_key for request in run_requests(windows, Reason.MISSED, RecentRuns(now))]
        for now in (NOW, NOW, NOW + DAY)
    ]
    assert len(set(keys[0])) == len(keys[0])
    assert keys[0] == keys[1]
    assert not set(keys[0]) & set(keys[2])


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_what_a_run_does_already_is_left_to_it(status: dg.DagsterRunStatus) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ranged = {
            "dagster/asset_partition_range_start": "2026-01-02",
            "dagster/asset_partition_range_end": "2026-01-03",
        }
        finished_run(instance, status, ranged, "cpu")
        finished_run(instance, status, {"dagster/partition": "2026-01-05"}, "cpu", "mem")
        recent = RecentRuns.of(instance, NOW)
    assert len(recent.unfinished) == 2
    requests = run_requests([*due(range(1, 7)), *due([2], "mem")], Reason.MISSED, recent)
    asked = [(request.tags["influx_lake/window"][:10], request.asset_selection) for request in requests]
    assert asked == [
        ("2026-01-06", [dg.AssetKey(["telemetry", "cpu"])]),
        ("2026-01-04", [dg.AssetKey(["telemetry", "cpu"])]),
        ("2026-01-02", [dg.AssetKey(["telemetry", "mem"])]),
        ("2026-01-01", [dg.AssetKey(["telemetry", "cpu"])]),
    ]


def test_what_a_backfill_is_going_to_do_is_left_to_it() -> None:
    @dg.asset(key=["telemetry", "cpu"], partitions_def=partitions_for(cpu().scheme))
    def table() -> None: ...

    repository = dg.Definitions(assets=[table]).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_backfill(_backfill(repository.asset_graph, ["2026-01-01", "2026-01-02"]))
        recent = RecentRuns.of(instance, NOW, repository)
        assert [each.key for each in due([1, 2, 3]) if not recent.is_busy(each)] == ["2026-01-03"]
        assert not RecentRuns.of(instance, NOW).is_busy(due([1])[0])


def test_what_failed_waits_longer_each_time_and_is_tried_again() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = finished_run(instance, dg.DagsterRunStatus.FAILURE, {"dagster/partition": "2026-01-02"}, "cpu")
        record = instance.get_run_record_by_id(run.run_id)
        assert record is not None
        failed_at = record.update_timestamp.replace(tzinfo=UTC)

        def keys(after: timedelta) -> list[str | None]:
            recent = RecentRuns.of(instance, failed_at + after)
            return [request.partition_key for request in run_requests(due([2, 5]), Reason.MISSED, recent)]

        assert keys(timedelta(seconds=50)) == ["2026-01-05"]
        assert keys(timedelta(seconds=70)) == ["2026-01-05", "2026-01-02"]
        finished_run(instance, dg.DagsterRunStatus.CANCELED, {"dagster/partition": "2026-01-02"}, "cpu")
        assert keys(timedelta(seconds=110)) == ["2026-01-05"]
        assert keys(timedelta(seconds=130)) == ["2026-01-05", "2026-01-02"]


def test_pauses_grow_to_a_limit() -> None:
    minutes = [pause_after(count) // timedelta(minutes=1) for count in range(1, 8)]
    assert minutes == [1, 2, 4, 8, 16, 32, 64]
    assert pause_after(10_000) == LONGEST_PAUSE


def _backfill(graph: BaseAssetGraph[Any], keys: list[str]) -> PartitionBackfill:
    return PartitionBackfill.from_asset_partitions(
        backfill_id="abc",
        asset_graph=graph,
        partition_names=keys,
        asset_selection=[dg.AssetKey(["telemetry", "cpu"])],
        backfill_timestamp=NOW.timestamp(),
        tags={},
        dynamic_partitions_store=dg.DagsterInstance.ephemeral(),
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
