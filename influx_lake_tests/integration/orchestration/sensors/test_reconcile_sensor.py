"""Late points are found and loaded, lost ones reported, and nothing is loaded without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.assets import source_assets
from influx_lake.orchestration.automation.reconcile_sensor import Budget, reconcile_sensor
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.automated_lake import DAY, START, asked
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import CPU, SensedLake

NOW = START + 5 * DAY + timedelta(hours=1)
QUARTER = timedelta(minutes=15)
START_NS, DAY_NS = int(START.timestamp()) * 10**9, 86_400 * 10**9
DAYS = [f"2026-01-0{day}" for day in range(1, 6)]


@dataclass
class Reconciled(SensedLake):
    """The lake, and the time that its sensor sees."""

    now: datetime = NOW

    def tick(self, later: timedelta = QUARTER, **options: Any) -> SensorExecutionData:  # type: ignore[override]
        """Let time pass and tick."""
        self.now += later
        return self.evaluate(reconcile_sensor(self.lake, clock=lambda: self.now, **options))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Reconciled]]:
    """A lake with five days of cpu loaded."""
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:

        def made(**cpu: Any) -> Reconciled:
            options = {"measurements": {"cpu": {"reconcile": {"within": "7d"}, **cpu}}}
            lake = Reconciled(box, tmp_path, instance, options)
            lake.write(1, 2, 3, 4, 5, measurements=["cpu"])
            lake.load(DAYS[0], DAYS[-1])
            return lake

        yield made


@pytest.mark.slow
def test_an_equal_lake_is_left_alone_and_not_asked_about_too_often(make: Callable[..., Reconciled]) -> None:
    lake = make()
    data = lake.tick()
    assert (data.run_requests, lake.observations()) == ([], [])
    assert "a short while ago" in str(lake.tick(timedelta(minutes=14)).skip_message)
    assert "1 of 1 measurements compared" in str(lake.tick(timedelta(minutes=1)).skip_message)


def test_late_points_are_loaded_and_only_their_partition_is_out_of_date(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.write_at(START + 1.2 * DAY, START + 1.3 * DAY)
    data = lake.tick()
    assert asked(data.run_requests or []) == [("differs", "cpu", "01-02/01-03")]
    [(partition, said)] = lake.observations()
    assert (partition, said["source_rows"], said["lake_rows"], said["verdict"]) == ("2026-01-02", 4, 2, "behind")
    lake.run_all(data.run_requests)
    assert lake.rows() == 12
    assert lake.tick().run_requests == []
    # Dagster compares with what was observed before a partition was loaded, so the first time shows nothing.
    lake.write_at(START + 1.4 * DAY)
    data = lake.tick()
    assert stale_partitions(lake) == ["2026-01-02"]
    lake.run_all(data.run_requests)
    assert (lake.rows(), stale_partitions(lake)) == (13, [])


def test_in_a_lake_of_many_measurements_the_table_is_observed(
    make: Callable[..., Reconciled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_assets, "MEASUREMENTS_SHOWN", 0)
    lake = make()
    lake.write_at(START + 1.2 * DAY)

    data = lake.tick()

    assert asked(data.run_requests or []) == [("differs", "cpu", "01-02/01-03")]
    [(partition, said)] = lake.observations(CPU)
    assert (partition, said["source_rows"], said["lake_rows"], said["verdict"]) == ("2026-01-02", 3, 2, "behind")
    lake.run_all(data.run_requests)
    assert lake.rows() == 11
    assert lake.tick().run_requests == []


@pytest.mark.slow
def test_a_source_that_lost_rows_is_looked_at_twice_and_reported_once(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.box.faults.update(hidden_before=START_NS + 2 * DAY_NS)
    assert (lake.tick().run_requests, lake.observations()) == ([], [])
    data = lake.tick()
    assert data.run_requests == []
    assert {(partition, said["verdict"]) for partition, said in lake.observations()} == {
        ("2026-01-01", "shrank"),
        ("2026-01-02", "shrank"),
    }
    [check] = [event for event in data.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
    assert (check.check_name, check.passed, check.metadata["differing_windows"].value) == (
        "source_equals_lake",
        False,
        2,
    )
    assert stale_partitions(lake) == []
    assert lake.tick().asset_events == []
    assert lake.rows() == 10
    lake.box.faults.clear()
    recovered = lake.tick()
    assert recovered.run_requests == []
    assert [event.passed for event in recovered.asset_events if isinstance(event, dg.AssetCheckEvaluation)] == [True]
    assert lake.observations()[0][1]["verdict"] == "equal"


@pytest.mark.slow
def test_a_source_that_may_forget_is_mirrored(make: Callable[..., Reconciled]) -> None:
    lake = make(on_shrink="replace")
    lake.box.faults.update(hidden_before=START_NS + DAY_NS)
    assert lake.tick().run_requests == []
    data = lake.tick()
    assert asked(data.run_requests or []) == [("differs", "cpu", "01-01/01-02")]
    lake.run_all(data.run_requests)
    assert lake.rows() == 8


@pytest.mark.slow
def test_rows_that_are_out_of_sight_for_a_moment_are_no_loss(make: Callable[..., Reconciled]) -> None:
    lake = make()
    for _ in range(3):
        lake.box.faults.update(missing=[(START_NS, START_NS + DAY_NS)], missing_queries=1)
        assert lake.tick().asset_events == []
        assert lake.box.faults.missing_queries == 0


@pytest.mark.slow
def test_rows_that_were_out_of_sight_when_their_window_was_loaded_are_found(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.write(6, measurements=["cpu"])
    day_6 = START_NS + 5 * DAY_NS
    # Rows and count agree with each other, and both are wrong.
    lake.box.faults.update(missing=[(day_6, day_6 + DAY_NS)], missing_queries=3)
    lake.load("2026-01-06")
    assert lake.rows() == 10
    lake.box.faults.clear()
    data = lake.tick(DAY)
    assert asked(data.run_requests or []) == [("differs", "cpu", "01-06/01-07")]
    lake.run_all(data.run_requests)
    assert lake.rows() == 12


@pytest.mark.slow
def test_a_window_that_differs_all_the_same_is_not_loaded_without_end(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.write_at(START + 0.5 * DAY)
    # Nobody runs what is asked for: the window goes on differing, for a day.
    requests = [len(lake.tick().run_requests or []) for _ in range(95)]
    assert sum(requests) == 5
    places = [place for place, count in enumerate(requests) if count]
    assert [later - sooner for sooner, later in pairwise(places)] == [2, 4, 8, 16]
    said = [facts for _, facts in lake.observations()]
    assert len(said) == 6
    assert said[0]["loaded_again"] == 5
    lake.write_at(START + 0.6 * DAY)
    assert len(lake.tick().run_requests or []) == 1


@pytest.mark.slow
def test_changed_values_are_found_and_loaded(make: Callable[..., Reconciled]) -> None:
    lake = make(reconcile={"profile": True}, on_changed_values="load")
    assert lake.tick().run_requests == []
    noon = START + 1.5 * DAY
    lake.write_at(noon, host="h0", usage=99.5)
    data = lake.tick()
    assert asked(data.run_requests or []) == [("differs", "cpu", "01-02/01-03")]
    assert lake.observations()[0][1]["changed_columns"] == "usage"
    lake.run_all(data.run_requests)
    assert lake.tick().run_requests == []
    assert lake.rows() == 10


@pytest.mark.slow
def test_values_that_flicker_are_not_loaded_without_end(make: Callable[..., Reconciled]) -> None:
    lake = make(reconcile={"profile": True}, on_changed_values="load")
    lake.write_at(START + 1.5 * DAY, host="h0", usage=99.5)
    loads = 0
    for number in range(95):
        # InfluxDB 3 Core may answer with the older value of a point, or with the newer: whichever the lake has not.
        data = lake.tick()
        lake.run_all(data.run_requests)
        loads += len(data.run_requests or [])
        lake.box.faults.update(stale_updates=bool(data.run_requests) != lake.box.faults.stale_updates)
        lake.write_at(START + 1.5 * DAY, host="h0", usage=100.5 + number)
    assert 1 <= loads <= 5
    assert lake.observations()[0][1]["verdict"] == "changed"


@pytest.mark.slow
def test_values_that_core_takes_back_are_reported_once_and_stay(make: Callable[..., Reconciled]) -> None:
    lake = make(reconcile={"profile": True})
    lake.box.store.checkpoint()
    lake.box.faults.stale_updates = True
    noon = START + 1.5 * DAY
    lake.write_at(noon, host="h0", usage=99.5)
    assert lake.tick().run_requests == [], "nothing tells which side is newer, and nothing is loaded by itself"
    lake.load("2026-01-02")
    assert lake.tick().run_requests == []
    lake.box.store.checkpoint()
    data = lake.tick()
    assert data.run_requests == []
    [check] = [event for event in data.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
    assert (check.check_name, check.passed) == ("source_equals_lake", False)
    assert "so it went back" in str(check.description or check.metadata)
    assert lake.tick().asset_events == []
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    assert max(catalog.load_table(("telemetry", "cpu")).scan().to_arrow()["usage"].to_pylist()) == 99.5


@pytest.mark.slow
def test_of_large_tables_some_windows_are_profiled_at_a_time(
    make: Callable[..., Reconciled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influx_lake.orchestration.automation.reconcile_sensor.PROFILED_BYTES", 1)
    lake = make(reconcile={"profile": True}, on_changed_values="load")
    lake.write_at(*(START + (day + 0.5) * DAY for day in range(5)), host="h0", usage=99.5)
    found = [asked(lake.tick().run_requests or []) for _ in range(5)]
    assert sorted(window for requests in found for _, _, window in requests) == [
        f"01-0{day}/01-0{day + 1}" for day in range(1, 6)
    ]
    assert [len(requests) for requests in found] == [1] * 5


@pytest.mark.slow
def test_an_append_that_never_looks_again_is_reported(make: Callable[..., Reconciled]) -> None:
    lake = make(write={"mode": "append"})
    lake.write_at(START + 0.5 * DAY)
    data = lake.tick()
    assert data.run_requests == []
    assert "never looks at a time again" in str(data.asset_events[0].description)
    assert lake.tick().asset_events == []


@pytest.mark.slow
def test_a_window_that_is_not_loaded_is_left_to_the_schedule(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.write(6, measurements=["cpu"])
    assert lake.tick(DAY).run_requests == []


@pytest.mark.slow
def test_what_is_far_back_is_not_looked_at(make: Callable[..., Reconciled]) -> None:
    lake = make(reconcile={"within": "2d", "every": "1h"})
    lake.write_at(START + 0.5 * DAY, START + 4.5 * DAY)
    assert asked(lake.tick().run_requests or []) == [("differs", "cpu", "01-05/01-06")]


@pytest.mark.slow
def test_a_window_that_is_being_loaded_is_not_asked_for_again(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.write_at(START + 0.5 * DAY)
    [request] = lake.tick().run_requests or []
    lake.instance.create_run_for_job(
        lake.repository.get_job("load_day"),
        status=dg.DagsterRunStatus.STARTED,
        tags={**request.tags, "dagster/partition": str(request.partition_key)},
        asset_selection=frozenset({CPU}),
    )
    assert lake.tick(timedelta(hours=3)).run_requests == []


def test_measurements_take_turns_when_a_tick_has_no_more_time(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(5)]
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:
        lake = Reconciled(box, tmp_path, instance, {"measurements": {name: {} for name in names}})
        looked: list[str] = []
        for _ in range(5):
            before = set(looked)
            lake.tick(timedelta(seconds=60), budget=lambda: Budget(seconds=0))
            looked += sorted(looked_at(lake) - before)
        assert sorted(looked) == [f"telemetry.{name}" for name in names]
        assert "a short while ago" in str(lake.tick(timedelta(seconds=60)).skip_message)


def test_a_source_that_is_away_fails_the_tick_and_is_asked_again(make: Callable[..., Reconciled]) -> None:
    lake = make()
    lake.write_at(START + 0.5 * DAY)
    lake.box.faults.update(unavailable=True)
    with pytest.raises(dg.Failure, match="cpu"):
        lake.tick()
    lake.box.faults.clear()
    assert len(lake.tick(timedelta(minutes=1)).run_requests or []) == 1


def looked_at(lake: Reconciled) -> set[str]:
    import json

    return set(json.loads(lake.cursors["reconcile"] or "{}")["looked"])


def stale_partitions(lake: Reconciled) -> list[str]:
    """The loaded partitions of cpu that Dagster takes for out of date."""
    from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
    from dagster._core.loader import LoadingContextForTest

    graph = lake.repository.asset_graph
    resolver = CachingStaleStatusResolver(lake.instance, graph, LoadingContextForTest(lake.instance))
    return [key for key in DAYS if resolver.get_status(CPU, key) is StaleStatus.STALE]
