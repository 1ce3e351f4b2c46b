"""As many assets as a lake of measurements has, and nothing of ours: what Dagster itself takes.

For each measurement one asset with four checks, 25 of them in a step. Its upstream asset is its measurement in
InfluxDB, or the database where `BARE_DATABASES` is set. The size is in `BARE_MEASUREMENTS`, and whether they have
hourly partitions in `BARE_HOURLY`.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

_CHECKS = ("source_equals_lake", "gaps", "schema_drift", "small_files")
_IN_A_STEP = 25


def partitions(hourly: bool) -> dg.PartitionsDefinition[str]:
    """Five years of hours, or 1,000 days."""
    start = datetime.now(UTC) - (timedelta(days=5 * 365) if hourly else timedelta(days=1_000))
    if hourly:
        return dg.HourlyPartitionsDefinition(f"{start:%Y-%m-%d}-00:00")
    return dg.DailyPartitionsDefinition(f"{start:%Y-%m-%d}")


def upstream(key: dg.AssetKey) -> dg.AssetKey:
    """What an asset is loaded from."""
    return dg.AssetKey(["influxdb", key.path[0]] if os.environ.get("BARE_DATABASES") else ["influxdb", *key.path])


def step(number: int, keys: list[dg.AssetKey], every: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """An asset for each key."""
    specs = [dg.AssetSpec(key, deps=[upstream(key)], group_name=key.path[0]) for key in keys]
    checks = [dg.AssetCheckSpec(name, asset=key) for key in keys for name in _CHECKS]

    @dg.multi_asset(
        name=f"step_{number}",
        specs=[spec.replace_attributes(skippable=True) for spec in specs],
        check_specs=checks,
        can_subset=True,
        partitions_def=every,
    )
    def load() -> Iterator[Any]:
        yield from ()

    return load


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions."""
    size, every = int(os.environ["BARE_MEASUREMENTS"]), partitions(bool(os.environ.get("BARE_HOURLY")))
    keys = [dg.AssetKey([f"plant{number // 200:02}", f"m{number:04}"]) for number in range(size)]
    of_sources = None if os.environ.get("BARE_DATABASES") else every
    of = dict.fromkeys(map(upstream, keys))
    sources = [dg.AssetSpec(key, group_name="influxdb", partitions_def=of_sources) for key in of]
    steps = [step(begin, keys[begin : begin + _IN_A_STEP], every) for begin in range(0, size, _IN_A_STEP)]
    return dg.Definitions(assets=[*sources, *steps])
