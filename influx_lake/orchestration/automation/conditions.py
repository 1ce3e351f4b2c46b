"""Automation conditions: declarative automation that loads windows as the schedules do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from operator import or_

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import Every
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames

SENSOR = "influx_lake_automation"
_SHORTEST = {
    Every.HOUR: timedelta(hours=1),
    # The day on which clocks go forward.
    Every.DAY: timedelta(hours=23),
    Every.WEEK: timedelta(days=7) - timedelta(hours=1),
    Every.MONTH: timedelta(days=28) - timedelta(hours=1),
}
_USUAL = {
    Every.HOUR: timedelta(hours=1),
    Every.DAY: timedelta(days=1),
    Every.WEEK: timedelta(days=7),
    Every.MONTH: timedelta(days=30),
}
_RETRIES = "0 * * * *"
_MINUTE = timedelta(minutes=1)


def loads_closed_windows(measurement: Measurement) -> dg.AutomationCondition[dg.AssetKey]:
    """Load windows that closed, are not materialised, and whose lag has passed; failed ones are retried every hour.

    Dagster's conditions have no lag: a partition exists as soon as it closes. So this one is true only at times when
    the newest partition's lag has passed; a lag of whole windows excludes the newest of them.
    """
    scheme = measurement.scheme
    left_out, rest = divmod(measurement.lag, _SHORTEST[scheme.every])
    wanted = dg.AutomationCondition.missing() & ~dg.AutomationCondition.in_progress()
    if left_out:
        newest = dg.AutomationCondition.in_latest_time_window(_spanning(scheme.every, left_out))
        wanted &= ~newest
    if measurement.retention is not None:
        wanted &= dg.AutomationCondition.in_latest_time_window(measurement.retention.keep)
    loads = wanted & _paced(*ticks_after(scheme.every, rest), timezone=scheme.timezone)
    return loads.with_label(f"closed {scheme.every}s that are not loaded")


def follows_upstream() -> dg.AutomationCondition[dg.AssetKey]:
    """Compute a partition when its upstream partitions were loaded, also again and long ago; failed ones are retried
    every hour.
    """
    eager = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    # Partitions that were loaded before the sensor first ran.
    possible = (
        dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.in_progress()
    )
    return (eager | (possible & _paced("*/5 * * * *"))).with_label("its upstream partitions were loaded")


def ticks_after(every: Every, rest: timedelta) -> list[str]:
    """Cron expressions for every few minutes of an hour, day, week or month, from a time after its beginning on."""
    minutes = -(-rest // _MINUTE)
    days, (hour, minute) = minutes // (24 * 60), divmod(minutes % (24 * 60), 60)
    match every:
        case Every.HOUR:
            return [f"{_each(*range(minute, 60, 5))} * * * *"]
        case Every.DAY:
            return _from(hour, minute, "* * *")
        case Every.WEEK:
            # Monday is 1, and Sunday 7.
            later = [f"*/5 * * * {_each(*(day % 7 for day in range(days + 2, 8)))}"] if days < 6 else []
            return [*_from(hour, minute, f"* * {(days + 1) % 7}"), *later]
        case Every.MONTH:
            return [*_from(hour, minute, f"{days + 1} * *"), f"*/5 * {_each(*range(days + 2, 32))} * *"]


def automation_sensor(lake: Lake, overviews: Sequence[dg.AssetsDefinition]) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions of the lake's assets and of assets downstream."""
    keys = [asset_key(measurement) for measurement in lake.measurements]
    # One selection: Dagster looks through all assets and checks for each that another is made of, several times.
    keys += [key for each in overviews for key in each.keys]
    return dg.AutomationConditionSensorDefinition(
        LakeNames.of(lake).scoped(SENSOR),
        target=dg.AssetSelection.assets(*keys).downstream(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Starts runs of the lake's assets, and of assets built on them, that have an automation condition.",
    )


def _from(hour: int, minute: int, days: str) -> list[str]:
    """Cron expressions for every few minutes from a time of day on."""
    later = [f"*/5 {_each(*range(hour + 1, 24))} {days}"] if hour < 23 else []
    return [f"{_each(*range(minute, 60, 5))} {hour} {days}", *later]


def _each(*numbers: int) -> str:
    # Not `23-23`, nor `59-59/5`: Dagster's cron parser reads these as all hours and all minutes.
    return ",".join(map(str, numbers))


def _paced(*crons: str, timezone: str = "UTC") -> dg.AutomationCondition[dg.AssetKey]:
    """True at ticks of the given cron expressions; for failed partitions, every hour."""
    ticks = reduce(or_, (dg.AutomationCondition.cron_tick_passed(cron, timezone) for cron in crons))
    failed = dg.AutomationCondition.execution_failed()
    return (ticks & ~failed) | (dg.AutomationCondition.cron_tick_passed(_RETRIES, timezone) & failed)


def _spanning(every: Every, windows: int) -> timedelta:
    """A duration that contains exactly this many windows, although days and months differ in length."""
    return (2 * windows + 1) * _USUAL[every] / 2
