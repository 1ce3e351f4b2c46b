"""Monthly storage cost of a source and of its part of the lake, for the Dagster overview; reads no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from influx_lake.config import Measurement
from influx_lake.cost.prices import GB, PriceTable
from influx_lake.cost.savings import savings
from influx_lake.cost.table_sizes import Stored
from influx_lake.sources.usage import SourceUsage


@dataclass(frozen=True, slots=True)
class Monthly:
    """The monthly storage cost of a source and of its part of the lake.

    Attributes:
        currency: The currency of the amounts.
        source: The cost of the source's storage, fixed costs included; None where the source does not report its size.
        lake: The cost of the lake's data files; None where their size is unknown.
        saved: The cost of the source's storage of everything that lake.yaml lets off-load; None without such rules, or
            where the server does not report its size.
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
    """Compute the monthly storage cost of a source and of its part of the lake.

    Args:
        prices: The price table.
        source: The source's name in lake.yaml.
        usage: The source's statistics; None where it does not report them.
        lake_bytes: The size of the lake's data files in bytes.
        measurements: Its measurements.
        now: The present.
    """
    price, usage = prices.of_source(source), usage or SourceUsage()
    of_source = None
    if price is not None and price.storage_gb_month is not None and usage.bytes is not None:
        of_source = price.fixed_month + price.storage_gb_month * usage.bytes / GB
    of_lake = None if lake_bytes is None else prices.of_lake.storage_gb_month * lake_bytes / GB
    rules = {each: each.offload.after for each in measurements if each.offload is not None}
    nothing = {each.full_name: Stored(each.full_name, "measurement") for each in measurements}
    saved = [each.saved for each in savings(source, measurements, rules, usage, nothing, now, prices)]
    known = [each for each in saved if each is not None]
    return Monthly(prices.currency, of_source, of_lake, sum(known, Decimal(0)) if known else None)
