"""What a source and its part of the lake cost a month, in few figures, for the overview: no table is looked through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from influx_lake.config import Measurement
from influx_lake.cost.prices import GB, PriceTable
from influx_lake.cost.savings import savings
from influx_lake.cost.stored import Stored
from influx_lake.sources.usage import SourceUsage


@dataclass(frozen=True, slots=True)
class Monthly:
    """What is paid a month for storage.

    Attributes:
        currency: Of the amounts.
        source: What the source's storage, and what is fixed of it, costs; None where that is not told.
        lake: What the lake's data files cost; None where the tables do not tell how large they are.
        saved: What the source's storage of all that the rules of lake.yaml would off-load costs; None without rules, or
            where the server does not tell how much that is.
    """

    currency: str
    source: Decimal | None = None
    lake: Decimal | None = None
    saved: Decimal | None = None


def monthly(
    prices: PriceTable,
    source: str,
    usage: SourceUsage | None,
    lake_bytes: int | None,
    measurements: Sequence[Measurement],
    now: datetime,
) -> Monthly:
    """What a source and its part of the lake cost.

    Args:
        prices: The prices.
        source: The source, as lake.yaml calls it.
        usage: What it tells; None where it does not.
        lake_bytes: How large the lake's data files are.
        measurements: Its measurements.
        now: The present.
    """
    asked, usage = prices.of_source(source), usage or SourceUsage()
    of_source = None
    if asked is not None and asked.storage_gb_month is not None and usage.bytes is not None:
        of_source = asked.fixed_month + asked.storage_gb_month * usage.bytes / GB
    of_lake = None if lake_bytes is None else prices.of_lake.storage_gb_month * lake_bytes / GB
    rules = {each: each.offload.after for each in measurements if each.offload is not None}
    nothing = {each.full_name: Stored(each.full_name, "measurement") for each in measurements}
    saved = [each.saved for each in savings(source, measurements, rules, usage, nothing, now, prices)]
    told = [each for each in saved if each is not None]
    return Monthly(prices.currency, of_source, of_lake, sum(told, Decimal(0)) if told else None)
