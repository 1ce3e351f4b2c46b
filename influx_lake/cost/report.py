"""Builds the cost report: sizes from source statistics and table metadata, multiplied by prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import utc_text
from influx_lake.cost.prices import GB, TB, PriceTable
from influx_lake.cost.savings import Saving, savings
from influx_lake.cost.table_sizes import Amount, StoredLake, month_of, stored_lake
from influx_lake.errors import SourceError
from influx_lake.sources.usage import SourceUsage, usage_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

GROWTH_MONTHS = 3
"""Growth is the mean of the last this many whole months."""
_LEAST_COUNTED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AtSource:
    """The statistics of a source.

    Attributes:
        name: The source's name in lake.yaml.
        label: A description of the source.
        usage: The statistics; None where the source does not answer.
        silence: Why it does not answer.
    """

    name: str
    label: str
    usage: SourceUsage | None
    silence: SourceError | None = None

    @property
    def months(self) -> dict[str, int]:
        """The size of its shards or files by the month in which each begins, in bytes."""
        found: dict[str, int] = {}
        usage = self.usage or SourceUsage()
        for part in (
            *(usage.parts or ()),
            *(part for each in usage.measurements.values() for part in each.parts or ()),
        ):
            month = month_of(part.start)
            found[month] = found.get(month, 0) + part.bytes
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Line:
    """An item of the monthly cost.

    Attributes:
        item: What it pays for.
        amount: The amount per month; None where it is unknown.
        how: How it was computed, or why it is unknown.
    """

    item: str
    amount: Decimal | None
    how: str


@dataclass(frozen=True, slots=True)
class CostReport:
    """Size and cost of the data at the source and in the lake.

    Attributes:
        now: When it was made.
        measurements: The measurements.
        sources: The statistics of the sources.
        lake: The sizes of the lake's tables.
        savings: What each off-load rule saves.
        prices: The price table; None: sizes only.
    """

    now: datetime
    measurements: tuple[Measurement, ...]
    sources: tuple[AtSource, ...]
    lake: StoredLake
    savings: tuple[Saving, ...]
    prices: PriceTable | None = None

    @property
    def growth(self) -> Amount | None:
        """The monthly growth of the lake: the mean of the last whole months with rows; None where there is none."""
        whole = [each for month, each in self.lake.months.items() if month != "?" and month < month_of(self.now)]
        recent = whole[-GROWTH_MONTHS:]
        if not recent:
            return None
        count = len(recent)
        return Amount(*(sum(getattr(each, name) for each in recent) // count for name in ("bytes", "rows", "files")))

    @property
    def lines(self) -> list[Line]:
        """The items of the monthly cost; empty without prices."""
        if self.prices is None:
            return []
        return [
            *(line for each in self.sources for line in self._source_lines(self.prices, each)),
            *self._lake_lines(self.prices),
        ]

    def _source_lines(self, prices: PriceTable, source: AtSource) -> list[Line]:
        price, what = prices.of_source(source.name), f"Source {source.name}"
        if price is None:
            return [Line(what, None, "the price table has none for it")]
        usage = source.usage or SourceUsage()
        lines = [Line(f"{what}: fixed", price.fixed_month, price.origin)] if price.fixed_month else []
        if price.storage_gb_month is not None:
            lines.append(_line(f"{what}: storage", usage.bytes, price.storage_gb_month, GB, "GB", price.origin))
        if price.queries_1000 is not None:
            lines.append(Line(f"{what}: queries", *self._queries(usage, price.queries_1000, price.origin)))
        return lines

    def _queries(self, usage: SourceUsage, price: Decimal, origin: str) -> tuple[Decimal | None, str]:
        queries = usage.queries
        if queries is None or queries.since is None:
            return None, "the server does not tell how many there are in a month"
        if self.now - queries.since < _LEAST_COUNTED:
            return None, f"they are counted since {utc_text(queries.since)}: too short to tell of a month"
        month = queries.count * (timedelta(days=30) / (self.now - queries.since))
        return price * Decimal(month) / 1000, f"{queries.count:,} since {utc_text(queries.since)}, as many on; {origin}"

    def _lake_lines(self, prices: PriceTable) -> list[Line]:
        total, kept = self.lake.total, self.lake.overhead
        price = prices.of_lake
        all_bytes = total.bytes + kept.older_bytes + kept.metadata_bytes
        lines = [_line(f"Lake: storage in {prices.lake}", all_bytes, price.storage_gb_month, GB, "GB", price.origin)]
        months = [month for month in kept.objects if month < month_of(self.now)]
        if price.put_1000 and months:
            month = max(months)
            how = f"{kept.objects[month]:,} objects written in {month}, at least; {price.origin}"
            lines.append(Line("Lake: writing", price.put_1000 * kept.objects[month] / 1000, how))
        return lines

    @property
    def classes(self) -> list[Line]:
        """The monthly cost of the lake's storage in each storage class."""
        kept = self.lake.overhead
        bytes_ = self.lake.total.bytes + kept.older_bytes + kept.metadata_bytes
        classes = self.prices.storage.items() if self.prices else ()
        return [_line(name, bytes_, each.storage_gb_month, GB, "GB", each.origin) for name, each in classes]

    @property
    def scans(self) -> list[Line]:
        """The cost of one query that scans the whole lake, with each engine."""
        total = self.lake.total
        engines = self.prices.scans.items() if self.prices else ()
        return [_line(name, total.bytes, each.scan_tb, TB, "TB", each.origin) for name, each in engines]

    def facts(self) -> dict[str, Any]:
        """The report as JSON. Money is a string, since numbers of JSON are not exact."""
        growth = self.growth
        return {
            "at": utc_text(self.now),
            "sources": [_source_facts(each) for each in self.sources],
            "lake": {
                "total": _amount(self.lake.total),
                "months": {month: _amount(each) for month, each in self.lake.months.items()},
                "tables": [
                    {
                        "name": each.name,
                        "kind": each.kind,
                        **_amount(each.total),
                        "months": {month: _amount(amount) for month, amount in sorted(each.months.items())},
                    }
                    for each in self.lake.tables
                ],
                "older_snapshots_bytes": self.lake.overhead.older_bytes,
                "metadata_bytes": self.lake.overhead.metadata_bytes,
                "commits": dict(sorted(self.lake.overhead.commits.items())),
                "objects_written": dict(sorted(self.lake.overhead.objects.items())),
                "growth_per_month": None if growth is None else _amount(growth),
            },
            "savings": [_saving_facts(each) for each in self.savings],
            "prices": None
            if self.prices is None
            else {"date": self.prices.date.isoformat(), "currency": self.prices.currency, "lake": self.prices.lake},
            "per_month": [_line_facts(each) for each in self.lines],
            "storage_classes_per_month": [_line_facts(each) for each in self.classes],
            "one_full_scan": [_line_facts(each) for each in self.scans],
        }


def cost_report(
    lake: Lake,
    catalog: Catalog,
    measurements: Sequence[Measurement],
    now: datetime,
    *,
    after: timedelta | None = None,
    prices: PriceTable | None = None,
    ask: Callable[..., SourceUsage] = usage_of,
) -> CostReport:
    """Build the cost report. A source that does not answer is reported as such.

    Args:
        lake: The lake.
        catalog: Its catalog.
        measurements: The measurements.
        now: The present.
        after: The age at which windows are off-loaded, in place of lake.yaml's.
        prices: The price table; None: sizes only.
        ask: Queries the statistics of a source.

    Raises:
        CatalogError: A table cannot be loaded.
        StorageError: Its metadata cannot be read.
    """
    of_source: dict[str, list[Measurement]] = {}
    for each in measurements:
        of_source.setdefault(each.source, []).append(each)
    stored = stored_lake(lake, catalog, measurements)
    by_name = {each.name: each for each in stored.tables}
    rules = {each: rule for each in measurements if (rule := after or _offload_age(each)) is not None}
    sources, saved = [], list[Saving]()
    for name, measured in of_source.items():
        usage, silence = None, None
        try:
            usage = ask(lake.source(name), [each.name for each in measured])
        except SourceError as error:
            silence = error
        sources.append(AtSource(name, lake.source(name).label, usage, silence))
        if usage is not None:
            saved += savings(name, measured, rules, usage, by_name, now, prices)
    return CostReport(now, tuple(measurements), tuple(sources), stored, tuple(saved), prices)


def _offload_age(measurement: Measurement) -> timedelta | None:
    """The age at which a measurement's windows are off-loaded; None: they are not."""
    return None if measurement.offload is None else measurement.offload.after


def _line(what: str, amount: int | None, price: Decimal, unit: int, word: str, origin: str) -> Line:
    if amount is None:
        return Line(what, None, "the server does not tell how much it keeps")
    return Line(what, price * amount / unit, f"{Decimal(amount) / unit:,.6f} {word} at {price}; {origin}")


def _amount(amount: Amount) -> dict[str, int]:
    return {"bytes": amount.bytes, "rows": amount.rows, "files": amount.files}


def _money(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def _line_facts(line: Line) -> dict[str, Any]:
    return {"what": line.item, "amount": _money(line.amount), "how": line.how}


def _source_facts(source: AtSource) -> dict[str, Any]:
    usage = source.usage or SourceUsage()
    queries = usage.queries
    return {
        "source": source.name,
        "label": source.label,
        "error": None if source.silence is None else str(source.silence),
        "bytes": usage.bytes,
        "series": usage.series,
        "queries": None
        if queries is None
        else {"count": queries.count, "since": queries.since and utc_text(queries.since), "of": queries.of},
        "months": source.months,
        "measurements": {
            name: {"bytes": each.bytes, "rows": each.rows, "series": each.series}
            for name, each in usage.measurements.items()
        },
        "not_told": dict(usage.not_told),
    }


def _saving_facts(saving: Saving) -> dict[str, Any]:
    return {
        "source": saving.source,
        "name": saving.name,
        "after": saving.age,
        "before": utc_text(saving.before),
        "source_bytes": saving.source_bytes,
        "source_bytes_across": saving.across_bytes,
        "not_told": saving.not_told,
        "lake_bytes": saving.lake_bytes,
        "saved_per_month": _money(saving.saved),
        "lake_costs_per_month": _money(saving.costs),
        "net_per_month": _money(saving.net),
        "one_off": _money(saving.one_off),
        "break_even_months": None if saving.break_even_months is None else f"{saving.break_even_months:.1f}",
        "break_even_price_gb_month": _money(saving.break_even_price),
    }
