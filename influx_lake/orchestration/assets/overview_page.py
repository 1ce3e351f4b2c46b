"""The page of a database's overview."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import dagster as dg

from influx_lake.config import redact
from influx_lake.config.values.units import counted, format_bytes, format_roughly
from influx_lake.cost.monthly_cost import Monthly
from influx_lake.cost.page import shown_money
from influx_lake.orchestration.alerts.links import asset_path
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.markdown import markdown_table, plain_cell
from influx_lake.orchestration.partition_events import Facts
from influx_lake.replication.foreign_changes import ForeignChanges
from influx_lake.replication.overview import Overview, Standing

LISTED = 200
"""How many measurements are listed, those with problems first: each event stays in Dagster's database."""
TOLD = 20
"""How many problems are described in words."""
_CHARACTERS = 120
_DROPPED_CHARACTERS = 500
_HEADER = ("measurement", "state", "windows", "rows", "lag", "commit")
"""Narrow columns: beside an entry's key and time a page has room for 60 characters."""


def overview_facts(overview: Overview, label: str, prefix: str = "", paid: Monthly | None = None) -> Facts:
    """The page of a database, and figures that Dagster plots over time.

    Args:
        overview: The state of its measurements.
        label: The database, for people.
        prefix: The path that the webserver is served at, where that is not the root.
        paid: The monthly cost, where the lake has prices.
    """
    standings, lag = overview.standings, overview.largest_lag
    compared = [each for each in standings if each.comparison]
    figures = {
        "measurements": len(standings),
        "gone": len(standings) - len(overview.present),
        "windows_due": sum(each.due for each in standings),
        "windows_missing": sum(each.missing for each in standings),
        "rows": sum(each.rows for each in standings),
        "compared": len(compared),
        "differing": sum(each.differs for each in compared),
    }
    return {
        "overview": dg.MetadataValue.md(overview_page(overview, label, prefix, paid)),
        **{name: dg.MetadataValue.int(figure) for name, figure in figures.items()},
        **{name: dg.MetadataValue.int(value) for name, value in _sizes(overview).items()},
        **{name: dg.MetadataValue.float(float(amount)) for name, amount in _amounts(paid).items()},
        **({"lag_seconds": dg.MetadataValue.float(round(lag.total_seconds(), 1))} if lag is not None else {}),
    }


def _sizes(overview: Overview) -> dict[str, int]:
    """The known sizes of the data, in bytes."""
    told = [each.bytes for each in overview.standings if each.bytes is not None]
    sizes = {"bytes": sum(told) if told else None, "source_bytes": overview.source_bytes}
    return {name: size for name, size in sizes.items() if size is not None}


def _amounts(paid: Monthly | None) -> dict[str, Decimal]:
    """The known costs of a month."""
    if paid is None:
        return {}
    amounts = {"source_cost": paid.source, "lake_cost": paid.lake, "offload_saving": paid.saved}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def overview_page(overview: Overview, label: str, prefix: str = "", paid: Monthly | None = None) -> str:
    """The page in Markdown: problems in words, and the figures of all measurements."""
    standings = sorted(overview.standings, key=_by_urgency)
    listed, rest = standings[:LISTED], standings[LISTED:]
    parts = [
        _summary(overview, label, paid),
        *([f"The source could not be asked: {_error_cell(overview.silence)}"] if overview.silence else []),
        *([plain_cell(overview.left_out, _DROPPED_CHARACTERS)] if overview.left_out else []),
        *([told] if (told := _problems(standings, prefix)) else []),
        markdown_table(_HEADER, (_row(each, overview.now, prefix) for each in listed)),
        *([_remainder(rest)] if rest else []),
    ]
    return "\n\n".join(parts)


def _summary(overview: Overview, label: str, paid: Monthly | None) -> str:
    standings = overview.standings
    due, missing = sum(each.due for each in standings), sum(each.missing for each in standings)
    differing = sum(each.differs for each in standings)
    compared = sum(each.comparison is not None for each in standings)
    rows, silent = sum(each.rows for each in standings), sum(each.is_silent for each in standings)
    lines = [
        f"{counted(len(standings), 'measurement')} of {label}, {rows:,} rows, at {overview.now:%Y-%m-%d %H:%M} UTC:",
        "",
        f"- windows loaded: **{due - missing:,}** of {due:,} due",
    ]
    if compared:
        lines.append(f"- newest windows that differ from the source: **{differing:,}** of {compared:,}")
    if silent:
        lines.append(f"- newest windows without rows, here and in the source: **{silent:,}** of {compared:,}")
    sizes = _sizes(overview)
    if "bytes" in sizes:
        beside = f", at the source **{format_bytes(sizes['source_bytes'])}**" if "source_bytes" in sizes else ""
        lines.append(f"- size in the lake: **{format_bytes(sizes['bytes'])}**{beside}")
    if (amounts := _amounts(paid)) and paid is not None:
        words = {"source_cost": "source", "lake_cost": "lake", "offload_saving": "off-loading by its rules would save"}
        said = (f"{words[name]} **{shown_money(amount, paid.currency)}**" for name, amount in amounts.items())
        lines.append(f"- storage, a month: {', '.join(said)}")
    return "\n".join(lines)


def _problems(standings: Sequence[Standing], prefix: str) -> str:
    """What is wrong, in words: the first of `standings` that need somebody."""
    told = [(each, words) for each in standings if (words := _trouble(each))]
    lines = [f"- {_link(each, prefix)}: {words}" for each, words in told[:TOLD]]
    if len(told) > TOLD:
        lines.append(f"- ... and {counted(len(told) - TOLD, 'more measurement')}")
    return "\n".join(["Somebody should look at:", "", *lines]) if told else ""


def _remainder(rest: Sequence[Standing]) -> str:
    missing = sum(each.missing for each in rest)
    return f"... and {len(rest):,} more measurements, with {missing:,} windows missing."


def _by_urgency(standing: Standing) -> tuple[bool, bool, bool, int, bool, str]:
    name = standing.measurement.full_name
    is_changed = bool(standing.others)
    return not standing.problem, not standing.differs, not is_changed, -standing.missing, not standing.is_silent, name


def _row(standing: Standing, now: datetime, prefix: str) -> list[str]:
    lag, committed = standing.lag(now), standing.committed_at
    return [
        _link(standing, prefix),
        _state(standing),
        f"{standing.due - standing.missing:,}/{standing.due:,}",
        f"{standing.rows:,}",
        format_roughly(lag) if lag is not None else "",
        _moment(committed, now) if committed else "",
    ]


def _link(standing: Standing, prefix: str) -> str:
    measurement = standing.measurement
    return f"[{plain_cell(measurement.full_name, _CHARACTERS)}]({prefix}{asset_path(asset_key(measurement))})"


def _state(standing: Standing) -> str:
    """The state of a measurement in a word or two."""
    if standing.problem:
        return "**unknown**"
    if standing.is_gone:
        return "**gone**"
    if standing.newest is None:
        return "empty"
    if standing.differs and standing.comparison:
        return f"**{standing.comparison.verdict}**"
    if standing.missing:
        return f"{standing.missing:,} missing"
    loaded = "silent" if standing.is_silent else "complete"
    return "changed" if standing.others else loaded


def _trouble(standing: Standing) -> str:
    """The problem of a measurement and what to do; empty where its state says enough."""
    if standing.problem:
        return _error_cell(standing.problem)
    if standing.is_gone:
        return "gone from its source; the table stays"
    comparison = standing.comparison
    if comparison and standing.differs:
        counts = f"source {counted(comparison.source_rows, 'row')}, lake {comparison.lake_rows:,}"
        differs = f"{comparison.window}: {counts}; {plain_cell(comparison.explanation, _CHARACTERS)}"
        return f"{differs}; {_changed(standing.others)}" if standing.others else differs
    return _changed(standing.others) if standing.others else ""


def _changed(others: ForeignChanges) -> str:
    return plain_cell(redact(str(others)), 4 * _CHARACTERS)


def _error_cell(error: Exception) -> str:
    return plain_cell(redact(str(error)), 2 * _CHARACTERS)


def _moment(moment: datetime, now: datetime) -> str:
    """The time of day for a time of today, else the day."""
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%Y-%m-%d}"
