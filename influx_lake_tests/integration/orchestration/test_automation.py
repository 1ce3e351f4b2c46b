"""Windows are loaded by themselves, whatever was missed or failed in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.automation.schedules import MISSED_AT_ONCE
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.resources import IcebergCatalogResource
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake_tests.integration.orchestration.automated_lake import DAY, START, AutomatedLake, asked

MINUTE = timedelta(minutes=1)
LAG = 10 * MINUTE
Lakes = Callable[..., AutomatedLake]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def lakes(box: Sandbox, tmp_path: Path) -> Iterator[Lakes]:
    with dg.instance_for_test() as instance:

        def make(**options: Any) -> AutomatedLake:
            return AutomatedLake(box, tmp_path, instance, options)

        yield make


def closing(day: int) -> datetime:
    """When a day of January has closed and its lag has passed."""
    return START + day * DAY + LAG


@pytest.mark.slow
def test_each_day_is_loaded_when_its_lag_has_passed_and_only_then(lakes: Lakes) -> None:
    lake = lakes()
    lake.write(1)

    assert lake.tick(closing(1) - MINUTE) == []
    [request] = lake.tick(closing(1))
    assert asked([request]) == [("scheduled", "cpu, mem", "01-01/01-02")]
    assert lake.run(request).success

    assert lake.coverage() == lake.coverage("mem") == "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
    assert lake.tick(closing(1) + 5 * MINUTE) == []
    lake.write(2)
    assert asked(lake.tick(closing(2))) == [("scheduled", "cpu, mem", "01-02/01-03")]


@pytest.mark.slow
def test_what_was_missed_is_caught_up_after_what_is_new(lakes: Lakes) -> None:
    lake = lakes()
    lake.write(*range(1, 8))
    [first] = lake.tick(closing(1))
    assert lake.run(first).success

    requests = lake.tick(closing(7))

    assert asked(requests) == [("scheduled", "cpu, mem", "01-07/01-08"), ("missed", "cpu, mem", "01-02/01-07")]
    assert requests[0].tags["dagster/priority"] == "1"
    for request in requests:
        assert lake.run(request).success
    assert lake.coverage() == "2026-01-01T00:00:00Z/2026-01-08T00:00:00Z"
    assert lake.tick(closing(7) + MINUTE) == []


def test_a_long_absence_is_caught_up_piece_by_piece_the_newest_first(lakes: Lakes) -> None:
    lake = lakes(measurements={"cpu": {"windows_per_run": 2}})

    requests = lake.tick(closing(100))

    assert len(requests) == 1 + 4
    assert asked(requests)[:3] == [
        ("scheduled", "cpu", "04-10/04-11"),
        ("missed", "cpu", "04-08/04-10"),
        ("missed", "cpu", "04-06/04-08"),
    ]


def test_only_so_many_runs_wait_for_what_was_missed(lakes: Lakes) -> None:
    lake = lakes(
        measurements={f"m{number}": {"partition": {"start": f"2026-01-{number + 1:02}"}} for number in range(1)}
        | {f"n{number}": {"windows_per_run": number + 1} for number in range(MISSED_AT_ONCE + 5)}
    )

    requests = lake.tick(closing(30))

    reasons = [request.tags["influx_lake/reason"] for request in requests]
    assert reasons.count("missed") == MISSED_AT_ONCE
    assert reasons[: reasons.count("scheduled")] == ["scheduled"] * reasons.count("scheduled")


@pytest.mark.slow
def test_one_schedules_history_does_not_keep_anothers_waiting(lakes: Lakes) -> None:
    hourly = {"partition": {"every": "hour", "start": "2026-01-01"}}
    unlike = {f"h{number}": {**hourly, "windows_per_run": number + 1} for number in range(MISSED_AT_ONCE)}
    lake = lakes(measurements={"cpu": {}, **unlike})
    hours = lake.tick(closing(3), "load_hour_schedule")
    missed = [request for request in hours if request.tags["influx_lake/reason"] == "missed"]
    assert len(missed) == MISSED_AT_ONCE
    for request in missed:
        lake.instance.create_run_for_job(
            lake.repository.get_job("load_hour"),
            tags=request.tags,
            status=dg.DagsterRunStatus.STARTED,
            asset_selection=frozenset(request.asset_selection or ()),
        )

    assert asked(lake.tick(closing(3))) == [("scheduled", "cpu", "01-03/01-04"), ("missed", "cpu", "01-01/01-03")]
    later = asked(lake.tick(closing(3) + MINUTE, "load_hour_schedule"))
    assert {reason for reason, *_ in later} == {"scheduled"}


@pytest.mark.slow
def test_what_is_queued_is_not_requested_again(lakes: Lakes) -> None:
    lake = lakes()
    [request] = lake.tick(closing(1))
    job = lake.repository.get_job("load_day")
    run = lake.instance.create_run_for_job(
        job,
        tags=request.tags,
        status=dg.DagsterRunStatus.NOT_STARTED,
        asset_selection=frozenset(request.asset_selection or ()),
    )

    assert lake.tick(closing(1) + 5 * MINUTE) == []

    lake.instance.delete_run(run.run_id)
    assert len(lake.tick(closing(1) + 10 * MINUTE)) == 1


@pytest.mark.slow
def test_a_window_that_fails_is_tried_again_after_a_pause(lakes: Lakes, box: Sandbox) -> None:
    now = datetime.now(UTC)
    yesterday = {"every": "day", "start": f"{now - DAY - LAG:%Y-%m-%d}"}
    lake = lakes(defaults={"partition": yesterday}, measurements={"cpu": {}})
    [schedule] = [each.name for each in lake.repository.schedule_defs if each.name.startswith("load_")]
    lake.write(1)
    box.faults.unauthenticated = True

    [request] = lake.tick(now, schedule)
    assert not lake.run(request, schedule.removesuffix("_schedule")).success

    assert lake.tick(now + MINUTE / 2, schedule) == []
    box.faults.clear()
    [again] = lake.tick(datetime.now(UTC) + 2 * MINUTE, schedule)
    assert again.asset_selection == request.asset_selection
    assert lake.run(again, schedule.removesuffix("_schedule")).success
    assert lake.tick(datetime.now(UTC) + 2 * MINUTE, schedule) == []


@pytest.mark.slow
def test_one_measurement_that_fails_leaves_the_others_alone(lakes: Lakes, box: Sandbox) -> None:
    lake = lakes()
    lake.write(1, 2, measurements=["cpu"])
    [first] = lake.tick(closing(1))

    assert not lake.run(first).success  # there is no measurement mem yet

    assert lake.coverage() == "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
    [second] = lake.tick(closing(2))
    assert asked([second])[0][2] == "01-02/01-03"


@pytest.mark.slow
def test_a_table_that_was_dropped_is_loaded_again(lakes: Lakes) -> None:
    lake = lakes(measurements={"cpu": {}})
    lake.write(1)
    [request] = lake.tick(closing(1))
    assert lake.run(request).success
    assert lake.tick(closing(1) + MINUTE) == []
    open_catalog("lake", lake.lake.catalog.properties()).drop_table(("telemetry", "cpu"))

    assert asked(lake.tick(closing(1) + 5 * MINUTE)) == [("scheduled", "cpu", "01-01/01-02")]


@pytest.mark.slow
def test_a_tick_asks_the_catalog_only_where_something_is_due(lakes: Lakes, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lakes()
    lake.write(1)
    [request] = lake.tick(closing(1))
    assert lake.run(request).success
    assert lake.tick(closing(1) + MINUTE) == []

    def nothing(*_: object) -> None:
        raise AssertionError("the catalog was asked")

    monkeypatch.setattr("influx_lake.iceberg.scan.reader.find_table", nothing)
    assert lake.tick(closing(1) + 5 * MINUTE) == []


@pytest.mark.slow
def test_a_killed_run_keeps_what_it_finished_and_dagster_learns_of_it(
    lakes: Lakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lakes(measurements={"cpu": {}})
    lake.write(1, 2, 3)
    [request] = [each for each in lake.tick(closing(4)) if each.tags["influx_lake/reason"] == "missed"]
    run = lake.instance.create_run_for_job(
        lake.repository.get_job("load_day"),
        tags=request.tags,
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset(request.asset_selection or ()),
    )
    measurement = lake.measurement()
    source = open_source(lake.lake.sources["default"])
    for day in (0, 1):
        window = measurement.scheme.window_at(START + day * DAY)
        replicate_window(
            source, open_catalog("lake", lake.lake.catalog.properties()), measurement, window, run_id=run.run_id
        )
    source.close()
    lake.instance.report_run_failed(run, "killed")

    _run_failure_sensor(lake, run)

    assert lake.instance.get_materialized_partitions(asset_key(measurement)) == {"2026-01-01", "2026-01-02"}
    event = lake.instance.get_latest_materialization_event(asset_key(measurement))
    assert event is not None
    assert event.asset_materialization is not None
    assert run.run_id in str(event.asset_materialization.description)


def _run_failure_sensor(lake: AutomatedLake, run: dg.DagsterRun) -> None:
    sensor = lake.repository.get_sensor_def("windows_of_failed_runs")
    [failed] = lake.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert failed.dagster_event is not None
    record = lake.instance.get_run_by_id(run.run_id)
    assert record is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="windows_of_failed_runs",
        dagster_event=failed.dagster_event,
        dagster_instance=lake.instance,
        dagster_run=record,
        resources={"iceberg_catalog": IcebergCatalogResource.of(lake.lake.catalog)},
    )
    # Called as Dagster's daemon does: a call of the sensor itself would hand on its resources as arguments.
    sensor._run_status_sensor_fn(context)
