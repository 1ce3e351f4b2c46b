"""Maps the lake's windows to Dagster's partitions."""

from __future__ import annotations

from functools import cache, cached_property
from zoneinfo import ZoneInfo

import dagster as dg

from influx_lake.config.measurements.windows_per_run import ALL_WINDOWS
from influx_lake.config.values.windows import Every, Scheme, Window
from influx_lake.errors import ConfigurationError

# Weeks start on Monday, `day_offset=1` of Dagster's WeeklyPartitionsDefinition.
_CRON = {
    Every.HOUR: "0 * * * *",
    Every.DAY: "0 0 * * *",
    Every.WEEK: "0 0 * * 1",
    Every.MONTH: "0 0 1 * *",
}


class _SchemePartitions(dg.TimeWindowPartitionsDefinition):
    """Partitions that cache their hash and their text, which Dagster computes several times for each asset."""

    @cached_property
    def _hash(self) -> int:
        return int(super().__hash__())  # type: ignore[no-untyped-call]

    @cached_property
    def _text(self) -> str:
        return super().__str__()

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._text


@cache
def partitions_for(scheme: Scheme) -> dg.TimeWindowPartitionsDefinition:
    """The partitions of a scheme: one object for all measurements with an equal scheme.

    Assets of one run, job or schedule must share their partitions.
    """
    return _SchemePartitions(
        start=scheme.start.astimezone(ZoneInfo(scheme.timezone)),
        cron_schedule=_CRON[scheme.every],
        timezone=scheme.timezone,
        fmt="%Y-%m-%d-%H:%M" if scheme.every is Every.HOUR else "%Y-%m-%d",
    )


def time_partitions(
    definition: dg.PartitionsDefinition | None, asset: dg.AssetKey
) -> dg.TimeWindowPartitionsDefinition:
    """The asset's time-window partitions.

    Raises:
        ConfigurationError: The asset has partitions of another kind, or none.
    """
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return definition
    kind = type(definition).__name__ if definition is not None else "no partitions"
    raise ConfigurationError(
        f"asset {asset.to_user_string()} has {kind}, and only windows of time can be replaced in a table",
        remedy="Give the asset hourly, daily, weekly, monthly or other time-window partitions.",
    )


def window_of(definition: dg.TimeWindowPartitionsDefinition, key: str) -> Window:
    """The window of a partition key."""
    return Window(*definition.time_window_for_partition_key(key))


def backfill_policy(windows_per_run: int) -> dg.BackfillPolicy:
    """The backfill policy for a number of windows per run.

    `dagster asset materialize --partition-range` and `dg launch --partition-range` refuse assets whose backfills may
    take several runs (Dagster 1.13): for these, set `windows_per_run: all`.
    """
    if windows_per_run >= ALL_WINDOWS:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(windows_per_run)
