"""What off-loading saves: what it would take from the source, beside what the same time costs in the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from influx_lake.config import Measurement
from influx_lake.config.values.units import format_duration
from influx_lake.cost.prices import GB, PriceTable
from influx_lake.cost.stored import Stored
from influx_lake.sources.usage import Part, SourceUsage

OF_DATABASE = "the whole database"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Saving:
    """What a rule saves: what is older than it says, deleted at the source.

    Attributes:
        source: The source, as lake.yaml calls it.
        name: The measurement; or that the server only tells it of the whole database.
        after: How old windows are when they are off-loaded.
        before: What lies before it is.
        source_bytes: What the source keeps of it; None where the server does not tell.
        across_bytes: How large the shards, or files, are that hold time on both sides: how much of them, nobody tells.
        not_told: Why it does not.
        lake_bytes: What the lake keeps of the same time, whether it is off-loaded or not.
        objects: How many files of it the lake has.
        saved: What the source's storage of it costs a month; None where that, or its price, is not told.
        costs: What the lake's does; None without prices.
        one_off: What writing it to the lake cost, with what a price table says besides.
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
        """How old windows are when they are off-loaded, as people say it: in days where these are whole."""
        return f"{self.after.days}d" if self.after == timedelta(days=self.after.days) else format_duration(self.after)

    @property
    def net(self) -> Decimal | None:
        """What is left of it a month, when the lake is paid."""
        return None if self.saved is None or self.costs is None else self.saved - self.costs

    @property
    def break_even_months(self) -> Decimal | None:
        """After how many months what it cost once has come in again; None where it never does."""
        if self.net is None or self.one_off is None or self.net <= 0:
            return None
        return self.one_off / self.net

    @property
    def break_even_price(self) -> Decimal | None:
        """The price of the source's GB a month at which both cost the same; None where the source has none of it."""
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
    """What each rule of a source saves.

    Args:
        source: The source, as lake.yaml calls it.
        measurements: Its measurements.
        rules: How old their windows are when they are off-loaded; none for those that are not.
        usage: What the server tells.
        stored: What the lake has, by measurements' full names.
        now: The present.
        prices: Prices; None: only quantities.
    """
    ruled = [each for each in measurements if each in rules]
    if not ruled:
        return []
    by_name = {each: usage.measurements.get(each.name) for each in ruled}
    if any(told is not None and told.parts is not None for told in by_name.values()):
        return [
            _saving(
                source,
                each.full_name,
                rules[each],
                now,
                None if told is None else told.parts,
                "it has no persisted files, or the server does not tell",
                [stored[each.full_name]],
                prices,
            )
            for each, told in by_name.items()
        ]
    # A shard goes when nothing of its time is needed: the longest rule decides, and each measurement needs one.
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
    # Only what lies wholly before it: of a shard, or a file, that reaches beyond it, nobody tells how much does.
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
