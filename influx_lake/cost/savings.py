"""Computes what off-loading saves: storage freed at the source against storage paid in the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from influx_lake.config import Measurement
from influx_lake.config.values.units import format_duration
from influx_lake.cost.prices import GB, PriceTable
from influx_lake.cost.table_sizes import Stored
from influx_lake.sources.usage import Part, SourceUsage

OF_DATABASE = "the whole database"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Saving:
    """What an off-load rule saves, for the time older than its age.

    Attributes:
        source: The source's name in lake.yaml.
        name: The measurement, or the whole database where the server reports no less.
        after: The age at which windows are off-loaded.
        before: The end of the time that is old enough.
        source_bytes: The source's storage of that time; None where the server does not report it.
        across_bytes: The size of shards or files that straddle `before`: how much of them is older is unknown.
        not_told: Why `source_bytes` is unknown.
        lake_bytes: The lake's storage of the same time, whether it is off-loaded yet or not.
        objects: The number of the lake's files of that time.
        saved: The monthly cost of the source's storage; None where its size or price is unknown.
        costs: The monthly cost of the lake's storage; None without prices.
        one_off: The cost of writing the data to the lake once, and other one-off prices.
    """

    source: str
    name: str
    after: timedelta
    before: datetime
    source_bytes: int | None
    across_bytes: int
    not_told: str | None
    lake_bytes: int
    objects: int
    saved: Decimal | None = None
    costs: Decimal | None = None
    one_off: Decimal | None = None

    @property
    def age(self) -> str:
        """`after` for people: in days where it is whole days."""
        return f"{self.after.days}d" if self.after == timedelta(days=self.after.days) else format_duration(self.after)

    @property
    def net(self) -> Decimal | None:
        """The monthly saving, less the lake's cost."""
        return None if self.saved is None or self.costs is None else self.saved - self.costs

    @property
    def break_even_months(self) -> Decimal | None:
        """After how many months the one-off cost is recovered; None: never."""
        if self.net is None or self.one_off is None or self.net <= 0:
            return None
        return self.one_off / self.net

    @property
    def break_even_price(self) -> Decimal | None:
        """The price of the source's GB-month at which both cost the same; None where the source has no data of that
        time.
        """
        if self.costs is None or not self.source_bytes:
            return None
        return self.costs * GB / self.source_bytes


def savings(
    source: str,
    measurements: Sequence[Measurement],
    rules: Mapping[Measurement, timedelta],
    usage: SourceUsage,
    stored: Mapping[str, Stored],
    now: datetime,
    prices: PriceTable | None,
) -> list[Saving]:
    """Compute what each off-load rule of a source saves.

    Args:
        source: The source's name in lake.yaml.
        measurements: Its measurements.
        rules: The age at which each measurement's windows are off-loaded; without an entry they are not.
        usage: The source's statistics.
        stored: The lake's files, by the measurements' full names.
        now: The present.
        prices: The price table; None: sizes only.
    """
    ruled = [each for each in measurements if each in rules]
    if not ruled:
        return []
    by_name = {each: usage.measurements.get(each.name) for each in ruled}
    if any(statistics is not None and statistics.parts is not None for statistics in by_name.values()):
        return [
            _saving(
                source,
                each.full_name,
                rules[each],
                now,
                None if statistics is None else statistics.parts,
                "it has no persisted files, or the server does not tell",
                [stored[each.full_name]],
                prices,
            )
            for each, statistics in by_name.items()
        ]
    # A shard is dropped when no measurement needs its time: the longest age decides, and each measurement needs a rule.
    after, parts = max(rules[each] for each in ruled), usage.parts
    why = "the server does not tell which time its bytes are of"
    left = [*(each.name for each in measurements if each not in rules), *usage.others]
    if parts is not None and left:
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        parts, why = None, f"shards hold all measurements, also those without a rule: {', '.join(left[:_NAMED])}{more}"
    kept = [stored[each.full_name] for each in ruled]
    return [_saving(source, OF_DATABASE, after, now, parts, why, kept, prices)]


def _saving(
    source: str,
    name: str,
    after: timedelta,
    now: datetime,
    parts: Iterable[Part] | None,
    why_not: str,
    stored: Iterable[Stored],
    prices: PriceTable | None,
) -> Saving:
    before = now - after
    # Only shards and files wholly before it: how much of a straddling one is older is unknown.
    known = None if parts is None else list(parts)
    at_source = None if known is None else sum(part.bytes for part in known if part.end <= before)
    across = sum(part.bytes for part in known or () if part.start < before < part.end)
    lake_bytes = objects = 0
    for each in stored:
        amount = each.before(before)
        lake_bytes, objects = lake_bytes + amount.bytes, objects + amount.files
    why = why_not if at_source is None else None
    saving = Saving(source, name, after, before, at_source, across, why, lake_bytes, objects)
    if prices is None:
        return saving
    of_source, of_lake = prices.of_source(source), prices.of_lake
    saved = None
    if at_source is not None and of_source is not None and of_source.storage_gb_month is not None:
        saved = of_source.storage_gb_month * at_source / GB
    costs = of_lake.storage_gb_month * lake_bytes / GB
    one_off = prices.one_off + of_lake.put_1000 * objects / 1000
    return replace(saving, saved=saved, costs=costs, one_off=one_off)
