"""Renders the cost report as an HTML page."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from influx_lake.config.values.units import format_bytes
from influx_lake.cost.report import CostReport
from influx_lake.html.charts import columns, rows
from influx_lake.html.pages import page

if TYPE_CHECKING:
    from markupsafe import Markup

_MONTHS = 36
_BARS = 20


def cost_page(report: CostReport, title: str) -> str:
    """Render the cost report as HTML.

    Args:
        report: The report.
        title: The title, the lake's name.
    """
    months = [month for month in report.lake.months if month != "?"][-_MONTHS:]
    series = {"lake": [float(report.lake.months[month].bytes) for month in months]}
    for source in report.sources:
        if source.months:
            series[f"source {source.name}"] = [float(source.months.get(month, 0)) for month in months]
    largest = sorted(report.lake.tables, key=lambda each: (-each.total.bytes, each.name))[:_BARS]
    return page(
        "influx_lake.cost",
        "cost.html",
        title=title,
        report=report,
        by_month=columns(months, series, "Bytes by month of the data", shown_bytes) if months else None,
        series=list(series),
        by_line=_paid(report),
        by_table=rows({each.name: float(each.total.bytes) for each in largest}, "Bytes by table", shown_bytes),
        shown_bytes=shown_bytes,
        money=shown_money,
        stored={each.name: each for each in report.lake.tables},
    )


def _paid(report: CostReport) -> Markup | None:
    paid = {line.item: float(line.amount) for line in report.lines if line.amount is not None}
    if report.prices is None or not paid:
        return None
    currency = report.prices.currency
    return rows(paid, "What is paid a month", lambda value: shown_money(Decimal(value), currency))


def shown_bytes(value: float | None) -> str:
    """Format a number of bytes."""
    return "not told" if value is None else format_bytes(value)


def shown_money(value: Decimal | None, currency: str) -> str:
    """Format an amount of money; small ones with the digits that distinguish them from zero."""
    if value is None:
        return "not told"
    digits = 2
    while value and abs(value) < Decimal(10) ** -digits * 5 and digits < 8:
        digits += 1
    return f"{value:,.{digits}f} {currency}"
