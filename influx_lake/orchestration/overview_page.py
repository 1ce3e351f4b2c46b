"""What the overview of a database shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from influx_lake.config import redact
from influx_lake.config.quantities import counted, format_roughly
from influx_lake.orchestration.alerts.links import asset_path
from influx_lake.orchestration.assets import asset_key
from influx_lake.orchestration.markdown import markdown_table, plain_cell
from influx_lake.orchestration.partition_events import Facts
from influx_lake.replication.overview import Overview, Standing

LISTED = 200
"""How many measurements are listed, those first that need somebody: each event stays in Dagster's database."""
_CHARACTERS = 120
_HEADER = ("measurement", "state", "windows", "rows", "lag", "last commit (UTC)")
"""What matters most comes first: the page cuts what is wide."""
_FIXED = str.maketrans({" ": "\N{NO-BREAK SPACE}", "-": "\N{NON-BREAKING HYPHEN}"})


def overview_facts(overview: Overview, label: str, prefix: str = "") -> Facts:
    """The page of a database, and the figures of it that Dagster plots over time.

    Args:
        overview: How its measurements are doing.
        label: The database, for people.
        prefix: The path that the webserver is served at, where that is not the root.
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
        "overview": dg.MetadataValue.md(overview_page(overview, label, prefix)),
        **{name: dg.MetadataValue.int(figure) for name, figure in figures.items()},
        **({"lag_seconds": dg.MetadataValue.float(round(lag.total_seconds(), 1))} if lag is not None else {}),
    }


def overview_page(overview: Overview, label: str, prefix: str = "") -> str:
    """The page in Markdown."""
    standings = sorted(overview.standings, key=_needs_somebody)
    listed, rest = standings[:LISTED], standings[LISTED:]
    parts = [
        _summary(overview, label),
        *([f"The source could not be asked: {_told(overview.silence)}"] if overview.silence else []),
        markdown_table(_HEADER, (_row(each, overview.now, prefix) for each in listed)),
        *([_remainder(rest)] if rest else []),
    ]
    return "\n\n".join(parts)


def _summary(overview: Overview, label: str) -> str:
    standings = overview.standings
    due, missing = sum(each.due for each in standings), sum(each.missing for each in standings)
    differing = sum(each.differs for each in standings)
    compared = sum(each.comparison is not None for each in standings)
    rows = sum(each.rows for each in standings)
    lines = [
        f"{counted(len(standings), 'measurement')} of {label}, {rows:,} rows, at {_moment(overview.now)} UTC:",
        "",
        f"- **{due - missing:,} of {due:,}** windows that are due are loaded.",
    ]
    if compared:
        lines.append(f"- **{differing:,} of {compared:,}** newest windows differ from the source.")
    return "\n".join(lines)


def _remainder(rest: Sequence[Standing]) -> str:
    missing = sum(each.missing for each in rest)
    return f"... and {len(rest):,} more measurements, with {missing:,} windows missing."


def _needs_somebody(standing: Standing) -> tuple[bool, bool, int, bool, str]:
    name = standing.measurement.table_name
    return not standing.problem, not standing.differs, -standing.missing, not standing.is_silent, name


def _row(standing: Standing, now: datetime, prefix: str) -> list[str]:
    measurement, lag = standing.measurement, standing.lag(now)
    return [
        f"[{plain_cell(measurement.table_name, _CHARACTERS)}]({prefix}{asset_path(asset_key(measurement))})",
        _state(standing),
        f"{standing.due - standing.missing:,} of {standing.due:,}".translate(_FIXED),
        f"{standing.rows:,}",
        format_roughly(lag) if lag is not None else "",
        _moment(standing.committed_at).translate(_FIXED) if standing.committed_at else "",
    ]


def _state(standing: Standing) -> str:
    if standing.problem:
        return f"**{_told(standing.problem)}**"
    if standing.is_gone:
        return "**gone from its source**; the table stays"
    if standing.newest is None:
        return "nothing loaded yet"
    windows = f"{counted(standing.missing, 'window')} missing" if standing.missing else "complete"
    return f"{windows}; newest window: {sides}" if (sides := _sides(standing)) else windows


def _sides(standing: Standing) -> str:
    """The newest window on both sides."""
    comparison = standing.comparison
    if comparison is None:
        return ""
    if standing.is_silent:
        return "**no rows**, as in the source"
    if not standing.differs:
        return f"{counted(comparison.lake_rows, 'row')}, as in the source"
    counts = f"source {counted(comparison.source_rows, 'row')}, lake {comparison.lake_rows:,}"
    return f"**{comparison.verdict}** ({counts}): {plain_cell(comparison.explanation, _CHARACTERS)}"


def _told(error: Exception) -> str:
    return plain_cell(redact(str(error)), 2 * _CHARACTERS)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
