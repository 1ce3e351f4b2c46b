"""Declarative automation loads what the schedules would."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every, Scheme
from influx_lake.orchestration.assets.measurement_assets import AssetOptions, measurement_asset
from influx_lake.orchestration.automation.conditions import (
    follows_upstream,
    loads_closed_windows,
    ticks_after,
)
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.partitions import partitions_for
from influx_lake_tests.unit.orchestration.fakes import START, cpu

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def definitions(measurement: Measurement) -> dg.Definitions:
    upstream = dg.AssetSpec(["influxdb", "telemetry", "cpu"], partitions_def=partitions_for(measurement.scheme))
    upstreams = {(measurement.source, measurement.name): upstream}
    conditions = {measurement.path: loads_closed_windows(measurement)}
    asset = measurement_asset(measurement, AssetOptions(upstreams, conditions=conditions))

    @dg.asset(
        deps=[asset_key(measurement)],
        partitions_def=partitions_for(measurement.scheme),
        automation_condition=follows_upstream(),
    )
    def roll_up() -> None: ...

    return dg.Definitions(
        assets=[upstream, asset, roll_up],
        resources={
            "iceberg_io_manager": dg.mem_io_manager,
            "iceberg_catalog": dg.ResourceDefinition.none_resource(),
            "influxdb_default": dg.ResourceDefinition.none_resource(),
        },
    )


def requested(
    measurement: Measurement, instance: dg.DagsterInstance, first: datetime, *later: datetime
) -> list[set[str]]:
    """The windows that each evaluation asks for."""
    defs = definitions(measurement)
    result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=first)
    found = []
    for moment in later:
        result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=moment, cursor=result.cursor)
        found.append(set(result.get_requested_partitions(asset_key(measurement))))
    return found


def materialized(instance: dg.DagsterInstance, *days: str) -> None:
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key(cpu()), partition=day, metadata={}))


def test_a_day_is_loaded_when_its_lag_has_passed_and_what_was_missed_with_it(instance: dg.DagsterInstance) -> None:
    materialized(instance, "2026-01-01", "2026-01-03")
    midnight = START + 4 * DAY
    before, at_once, after = requested(
        cpu(), instance, midnight - MINUTE, midnight + MINUTE, midnight + 9 * MINUTE, midnight + 10 * MINUTE
    )
    assert (before, at_once) == (set(), set())
    assert after == {"2026-01-02", "2026-01-04"}


def test_a_lag_of_days_leaves_out_the_newest_of_them(instance: dg.DagsterInstance) -> None:
    slow = replace(cpu(), lag=2 * DAY + HOUR)
    moment = START + 5 * DAY + 12 * HOUR
    [found] = requested(slow, instance, moment, moment + 5 * MINUTE)
    assert found == {"2026-01-01", "2026-01-02", "2026-01-03"}


def test_what_is_built_on_it_follows(instance: dg.DagsterInstance) -> None:
    measurement, midnight = cpu(), START + DAY
    defs = definitions(measurement)
    first = dg.evaluate_automation_conditions(defs, instance, evaluation_time=midnight - MINUTE)
    result = dg.evaluate_automation_conditions(
        defs, instance, evaluation_time=midnight + 15 * MINUTE, cursor=first.cursor
    )
    assert result.get_requested_partitions(asset_key(measurement)) == {"2026-01-01"}
    assert result.get_requested_partitions(dg.AssetKey("roll_up")) == {"2026-01-01"}


def test_what_is_built_on_it_follows_late_data_too(instance: dg.DagsterInstance) -> None:
    defs, now = definitions(cpu()), START + 5 * DAY
    materialized(instance, "2026-01-02", "2026-01-03")
    result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=now - MINUTE)
    result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=now, cursor=result.cursor)
    assert result.get_requested_partitions(dg.AssetKey("roll_up")) == {"2026-01-02", "2026-01-03"}
    for key in ("2026-01-02", "2026-01-03"):
        instance.report_runless_asset_event(dg.AssetMaterialization("roll_up", partition=key))
    result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=now + MINUTE / 2, cursor=result.cursor)
    materialized(instance, "2026-01-02")
    result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=now + MINUTE, cursor=result.cursor)
    assert result.get_requested_partitions(dg.AssetKey("roll_up")) == {"2026-01-02"}


@pytest.mark.parametrize("every", list(Every))
@settings(max_examples=30)
@given(minutes=st.integers(0, 7 * 24 * 60 - 1), after=st.integers(0, 28 * 24 * 60 - 1))
def test_a_tick_comes_only_after_the_lag_and_soon_after_it(every: Every, minutes: int, after: int) -> None:
    period = {Every.HOUR: 60, Every.DAY: 24 * 60, Every.WEEK: 7 * 24 * 60, Every.MONTH: 28 * 24 * 60}[every]
    lag, after = minutes % min(period, 7 * 24 * 60), after % period
    window = Scheme(every, datetime(2026, 6, 1, tzinfo=UTC)).window_at(datetime(2026, 6, 1, tzinfo=UTC))
    moment = window.start + after * MINUTE
    ticks = [next(cron_string_iterator(moment.timestamp(), cron, "UTC")) for cron in ticks_after(every, lag * MINUTE)]
    # What comes later than the lag and before the window ends.
    soonest = min(max(moment, window.start + lag * MINUTE), window.end - 5 * MINUTE)
    assert soonest <= min(ticks) < soonest + 5 * MINUTE or min(ticks) >= window.end - 5 * MINUTE
