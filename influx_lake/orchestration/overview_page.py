"""What the overview of a database shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from influx_lake.config import redact
from influx_lake.config.quantities import format_duration
from influx_lake.orchestration.alerts.links import asset_path
from influx_lake.orchestration.assets import asset_key
from influx_lake.orchestration.markdown import markdown_table, plain_cell
from influx_lake.orchestration.partition_events import Facts
from influx_lake.replication.overview import Overview, Standing

LISTED = 200
"""How many measurements are listed, those first that need somebody: each event stays in Dagster's database."""
_CHARACTERS = 120
_HEADER = ("measurement", "windows", "rows", "lag", "source and lake, newest window", "last commit", "state")


def overview_facts(overview: Overview, label: str) -> Facts:
    """The page of a database, and the figures of it that Dagster plots over time.

    Args:
        overview: How its measurements are doing.
        label: The database, for people.
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
        "overview": dg.MetadataValue.md(overview_page(overview, label)),
        **{name: dg.MetadataValue.int(figure) for name, figure in figures.items()},
        **({"lag_seconds": dg.MetadataValue.float(round(lag.total_seconds(), 3))} if lag is not None else {}),
    }


def overview_page(overview: Overview, label: str) -> str:
    """The page in Markdown."""
    standings = sorted(overview.standings, key=_needs_somebody)
    listed, rest = standings[:LISTED], standings[LISTED:]
    parts = [
        _summary(overview, label),
        *([f"The source could not be asked: {_told(overview.silence)}"] if overview.silence else []),
        markdown_table(_HEADER, (_row(each, overview.now) for each in listed)),
        *([_remainder(rest)] if rest else []),
    ]
    return "\n\n".join(parts)


def _summary(overview: Overview, label: str) -> str:
    standings = overview.standings
    due, missing = sum(each.due for each in standings), sum(each.missing for each in standings)
    differing = sum(each.differs for each in standings)
    compared = sum(each.comparison is not None for each in standings)
    sides = f"; source and lake compared in {compared:,}, **{differing:,} differ**" if compared else ""
    return (
        f"**{label}** at {_moment(overview.now)}: {len(standings):,} measurements, "
        f"{sum(each.rows for each in standings):,} rows, **{due - missing:,} of {due:,} windows** loaded{sides}."
    )


def _remainder(rest: Sequence[Standing]) -> str:
    missing = sum(each.missing for each in rest)
    return f"... and {len(rest):,} more measurements, with {missing:,} windows missing."


def _needs_somebody(standing: Standing) -> tuple[bool, bool, int, str]:
    return not standing.problem, not standing.differs, -standing.missing, standing.measurement.table_name


def _row(standing: Standing, now: datetime) -> list[str]:
    measurement, lag = standing.measurement, standing.lag(now)
    return [
        f"[{plain_cell(measurement.table_name, _CHARACTERS)}]({asset_path(asset_key(measurement))})",
        f"{standing.due - standing.missing:,} of {standing.due:,}",
        f"{standing.rows:,}",
        _rough(lag) if lag is not None else "",
        _sides(standing),
        _moment(standing.committed_at) if standing.committed_at else "",
        _state(standing),
    ]


def _sides(standing: Standing) -> str:
    comparison = standing.comparison
    if comparison is None:
        return ""
    if not standing.differs:
        return f"equal: {comparison.source_rows:,}"
    return f"**{comparison.verdict}**: source {comparison.source_rows:,}, lake {comparison.lake_rows:,}"


def _state(standing: Standing) -> str:
    if standing.problem:
        return f"**{_told(standing.problem)}**"
    if standing.is_gone:
        return "**gone from its source**; the table stays"
    if standing.differs and standing.comparison:
        return plain_cell(standing.comparison.explanation, _CHARACTERS)
    if standing.newest is None:
        return "nothing loaded yet"
    return f"{standing.missing:,} windows missing" if standing.missing else "complete"


def _told(error: Exception) -> str:
    return plain_cell(redact(str(error)), 2 * _CHARACTERS)


def _rough(lag: timedelta) -> str:
    """A duration in its largest two units or so: seconds of days tell nobody anything."""
    unit = timedelta(minutes=1) if lag >= timedelta(hours=1) else timedelta(seconds=1)
    whole = max(lag // unit * unit, timedelta(0))
    return format_duration(whole)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
