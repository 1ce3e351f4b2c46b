"""The command `influx-lake cost`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, Measurements, duration
from influx_lake.cli.output import Output, add_row, output, plain_table
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from influx_lake.cost.report import CostReport


def cost(
    names: Measurements = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="A price table. Default: that of lake.yaml.")
    ] = None,
    after: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="Show what off-loading everything older than this saves. Default: the rules of `offload` in "
            "lake.yaml.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write the report as an HTML page with plots.", dir_okay=False
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the size of the data at the sources and in the lake; with prices, their cost and what off-loading saves."""
    from influx_lake.cli.session import open_session
    from influx_lake.cost.prices import load_prices
    from influx_lake.cost.report import cost_report

    with output(as_json) as out, open_session(config) as session:
        own = session.lake.cost
        path = prices or (own.path(session.lake.path.parent) if own is not None else None)
        table = load_prices(path) if path is not None else None
        measurements = session.measurements(names)
        report = cost_report(session.lake, session.catalog, measurements, datetime.now(UTC), after=after, prices=table)
        for source in report.sources:
            if source.silence is not None:
                out.note(f"! the source {printable_name(source.name)} does not tell: {source.silence}")
        if html is not None:
            _write(report, html, session.lake.name or "influx_lake")
            out.line(f"Written: {html}")
        else:
            _show(out, report)
        out.result(report.facts())


def _write(report: CostReport, path: Path, title: str) -> None:
    from influx_lake.cost.page import cost_page
    from influx_lake.errors import StorageError

    try:
        path.write_text(cost_page(report, title), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def _show(out: Output, report: CostReport) -> None:
    _show_measurements(out, report)
    _show_months(out, report)
    for source in report.sources:
        for name, why in (source.usage.not_told if source.usage else {}).items():
            out.line(f"{printable_name(source.name)} does not tell {name}: {why}")
    _show_savings(out, report)
    _show_money(out, report)


def _show_measurements(out: Output, report: CostReport) -> None:
    from influx_lake.cost.page import shown_bytes

    numbers = ("source bytes", "source rows", "series", "lake bytes", "lake rows", "files")
    table = plain_table("", *numbers, right=numbers)
    stored = {each.name: each for each in report.lake.tables}
    usage_by_source = {each.name: each.usage for each in report.sources}
    for measurement in report.measurements:
        usage, held = usage_by_source[measurement.source], stored.pop(measurement.full_name).total
        at_source = usage.measurements.get(measurement.name) if usage else None
        counts = [] if at_source is None else [at_source.rows, at_source.series]
        add_row(
            table,
            measurement.full_name,
            shown_bytes(at_source.bytes if at_source else None),
            *([_number(each) for each in counts] or ["not told"] * 2),
            shown_bytes(held.bytes),
            f"{held.rows:,}",
            f"{held.files:,}",
        )
    for name, each in stored.items():
        held = each.total
        add_row(
            table, f"{name} ({each.kind})", "", "", "", shown_bytes(held.bytes), f"{held.rows:,}", f"{held.files:,}"
        )
    for source in report.sources:
        usage = source.usage
        source_bytes = shown_bytes(usage.bytes if usage else None)
        add_row(table, f"source {source.name}", source_bytes, "", _number(usage.series if usage else None), "", "", "")
    out.table(table)
    for source in report.sources:
        queries = source.usage.queries if source.usage else None
        if queries is not None:
            since = "" if queries.since is None else f", since {queries.since:%Y-%m-%d %H:%M} UTC"
            out.line(f"source {printable_name(source.name)}: {queries.count:,} queries ({queries.of}{since})")


def _show_months(out: Output, report: CostReport) -> None:
    from influx_lake.cost.page import shown_bytes

    kept, growth = report.lake.overhead, report.growth
    numbers = ("lake bytes", "lake rows", "files", "commits", "objects written", "source bytes")
    table = plain_table("month", *numbers, right=numbers)
    at_sources = [each.months for each in report.sources]
    months = report.lake.months
    for month in sorted({*months, *kept.commits, *(month for each in at_sources for month in each)}):
        held = months.get(month)
        at_source = [each[month] for each in at_sources if month in each]
        add_row(
            table,
            month,
            *([shown_bytes(held.bytes), f"{held.rows:,}", f"{held.files:,}"] if held else ["", "", ""]),
            f"{kept.commits[month]:,}" if month in kept.commits else "",
            f"{kept.objects[month]:,}" if month in kept.objects else "",
            shown_bytes(sum(at_source)) if at_source else "",
        )
    out.table(table)
    besides = f"{shown_bytes(kept.older_bytes)} of older snapshots, {shown_bytes(kept.metadata_bytes)} of metadata"
    grows = f"; it grows by {shown_bytes(growth.bytes)} and {growth.rows:,} rows a month" if growth else ""
    out.line(f"Beside what is read, the lake keeps {besides}{grows}.")


def _show_savings(out: Output, report: CostReport) -> None:
    from influx_lake.cost.page import shown_bytes, shown_money

    if not report.savings:
        return
    currency = report.prices.currency if report.prices else ""
    numbers = ["at the source", "in the lake"]
    numbers += ["saved a month", "lake a month", "net a month", "pays after"] if report.prices else []
    table = plain_table("off-loaded", "after", *numbers, right=numbers)
    for saving in report.savings:
        pays = "not told" if saving.net is None else "never"
        if saving.break_even_months is not None:
            pays = f"{saving.break_even_months:.1f} months"
        money = [shown_money(each, currency) for each in (saving.saved, saving.costs, saving.net)]
        add_row(
            table,
            f"{saving.source}: {saving.name}",
            saving.age,
            shown_bytes(saving.source_bytes),
            shown_bytes(saving.lake_bytes),
            *([*money, pays] if report.prices else []),
        )
    out.table(table)
    for saving in report.savings:
        if saving.not_told:
            out.line(f"{printable_name(saving.name)}: {saving.not_told}")
        if saving.across_bytes:
            across = f"{shown_bytes(saving.across_bytes)} hold time on both sides of {saving.before:%Y-%m-%d}"
            out.line(f"{printable_name(saving.name)}: {across}, and are not counted")


def _show_money(out: Output, report: CostReport) -> None:
    from influx_lake.cost.page import shown_money

    if report.prices is None:
        return
    currency = report.prices.currency
    table = plain_table("a month", currency, "how", right=[currency])
    for line in report.lines:
        add_row(table, line.item, shown_money(line.amount, "").strip(), line.how)
    for line in report.classes:
        add_row(table, f"Lake, in {line.item}", shown_money(line.amount, "").strip(), line.how)
    for line in report.scans:
        add_row(table, f"One query of all, by {line.item}", shown_money(line.amount, "").strip(), line.how)
    out.table(table)
    out.line(f"Prices of {report.prices.date}, in {currency}.")


def _number(value: int | None) -> str:
    return "not told" if value is None else f"{value:,}"
