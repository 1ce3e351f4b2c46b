"""The results of maintenance as Dagster metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import dagster as dg

from influx_lake.config import redact
from influx_lake.config.values.units import format_size
from influx_lake.iceberg.maintenance.task import Maintained
from influx_lake.maintenance.maintain_tables import Outcome
from influx_lake.orchestration.keys import asset_key, rollup_key
from influx_lake.orchestration.markdown import markdown_table, plain_cell
from influx_lake.orchestration.partition_events import Facts

LISTED = 200
"""How many tables are listed, those that changed first: each event stays in Dagster's database."""
_CHARACTERS = 300
_HEADER = ("table", "files", "small", "size", "snapshots", "done")


def observations(outcome: Outcome) -> Iterator[dg.AssetObservation]:
    """The maintenance of a table as observations of its assets; none where nothing was done.

    A quarantine has no page, and its figures would be plotted among those of the measurement's table.
    """
    done, table = outcome.done, outcome.table
    if done is None or done.dry_run or not done.is_something or table.is_quarantine:
        return
    keys = [rollup_key(table.rollup)] if table.rollup else [asset_key(each) for each in table.measurements]
    for key in keys:
        yield dg.AssetObservation(
            key,
            description=f"Maintenance, {done.kind}: {done.summary}",
            metadata={
                "maintenance": dg.MetadataValue.text(str(done.kind)),
                **_numbers(_figures([done])),
                "seconds": dg.MetadataValue.float(round(outcome.seconds, 3)),
                **({"statements": dg.MetadataValue.text("\n".join(done.statements))} if done.statements else {}),
                **({"snapshot_id": dg.MetadataValue.text(str(done.snapshot_id))} if done.snapshot_id else {}),
            },
        )


def totals(outcomes: Sequence[Outcome]) -> Facts:
    """The figures of all tables before and after, and the totals of what was done, which Dagster plots over time."""
    done = [each.done for each in outcomes if each.done is not None]
    return {
        "tables_maintained": dg.MetadataValue.int(len(done)),
        "tables_changed": dg.MetadataValue.int(sum(each.is_something for each in done)),
        **_numbers(_figures(done)),
        "seconds": dg.MetadataValue.float(round(float(sum(each.seconds for each in outcomes)), 3)),
    }


def page(outcomes: Sequence[Outcome]) -> dg.MetadataValue:
    """The tables in Markdown, one by one."""
    ordered = sorted(outcomes, key=_by_urgency)
    rest = len(ordered) - LISTED
    more = f"\n\n{rest:,} more, of which nothing was to be done" if rest > 0 else ""
    return dg.MetadataValue.md(markdown_table(_HEADER, map(_row, ordered[:LISTED])) + more)


def _figures(done: Sequence[Maintained]) -> dict[str, int]:
    figures: Counter[str] = Counter()
    for each in done:
        for name, before in asdict(each.before).items():
            figures[f"{name}_before"] += before
            figures[f"{name}_after"] += getattr(each.after, name)
        figures.update(each.done)
    return dict(figures)


def _numbers(figures: dict[str, int]) -> Facts:
    return {name: dg.MetadataValue.int(figure) for name, figure in figures.items()}


def _by_urgency(outcome: Outcome) -> tuple[bool, bool, str]:
    done = outcome.done
    return (done is not None, not (done is not None and (done.is_something or done.left)), outcome.table.name)


def _row(outcome: Outcome) -> tuple[str, ...]:
    done = outcome.done
    name = plain_cell(outcome.table.name, _CHARACTERS)
    if done is None:
        return (name, "", "", "", "", f"**failed**: {plain_cell(redact(str(outcome.failure)), _CHARACTERS)}")
    before, after = done.before, done.after
    told = "; ".join(filter(None, (done.summary, *done.left))) or "nothing was due"
    return (
        name,
        _changed(before.data_files, after.data_files),
        _changed(before.small_files, after.small_files),
        format_size(after.data_bytes),
        _changed(before.snapshots, after.snapshots),
        plain_cell(told, _CHARACTERS),
    )


def _changed(before: int, after: int) -> str:
    return f"{after:,}" if before == after else f"{before:,} → {after:,}"
