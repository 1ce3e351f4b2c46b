"""The command `influx-lake rollback`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, OneMeasurement, where
from influx_lake.cli.output import Output, counted, output
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from influx_lake.config.values.windows import Window
    from influx_lake.replication.history.rollback import Rollback, Unloaded

SHOWN = 3


def rollback(
    name: OneMeasurement,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="SNAPSHOT|TAG|TIME",
            help="A snapshot, a tag, or a time, for the snapshot that was current then.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the effect and change nothing.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Roll a measurement's table back to an earlier snapshot. Windows loaded since then are due again.

    Nothing is deleted: to undo it, roll back to the newest snapshot before that expires.
    """
    from influx_lake.cli.session import open_session
    from influx_lake.replication.history.rollback import planned_rollback

    with output(as_json) as out, open_session(config) as session:
        measurement = session.lake.find(name)
        of_table = [each for each in session.lake.measurements if each.identifier == measurement.identifier]
        planned = planned_rollback(session.catalog, of_table, where(to), datetime.now(UTC))
        if not planned.changes_nothing and not dry_run:
            planned.make()
        _print_result(out, planned, measurement.table_name, dry_run=dry_run)
        out.result(_facts(planned, measurement.table_name, dry_run=dry_run))


def _print_result(out: Output, planned: Rollback, table: str, *, dry_run: bool) -> None:
    if planned.changes_nothing:
        out.line(f"{table} is at snapshot {planned.snapshot.snapshot_id} already.")
        return
    would = "would be" if dry_run else "was"
    out.line(f"{table} {would} rolled back from snapshot {planned.current} to {planned.snapshot.snapshot_id}.")
    for each in planned.measurements:
        for line in _lines(each):
            out.line(f"{printable_name(each.measurement.name)}: {line}")
    if not dry_run:
        out.line(f"To undo it: influx-lake rollback {planned.measurements[0].measurement.key} --to {planned.current}")


def _lines(each: Unloaded) -> list[str]:
    changes = [f"{each.rows_then:,} rows, {each.rows:,} before"]
    if each.lost:
        changes.append(f"{counted(len(each.lost), 'window')} no longer loaded: {_shown(each.lost)}")
    if each.gained:
        changes.append(f"{counted(len(each.gained), 'window')} loaded again: {_shown(each.gained)}")
    due = set(each.due)
    if again := [window for window in each.lost if window in due]:
        changes.append(
            f"{counted(len(again), 'window')} of these are due: schedules and `influx-lake replicate "
            f"{each.measurement.key} --missing-only` load them again from the source as it is then. Stop the schedule "
            "first, or mend the source, if that is not wanted"
        )
    return changes


def _shown(windows: Sequence[Window]) -> str:
    more = f" and {len(windows) - SHOWN:,} more" if len(windows) > SHOWN else ""
    return ", ".join(map(str, windows[:SHOWN])) + more


def _facts(planned: Rollback, table: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "table": table,
        "from_snapshot_id": None if planned.current is None else str(planned.current),
        "to_snapshot_id": str(planned.snapshot.snapshot_id),
        "dry_run": dry_run,
        "changed": not dry_run and not planned.changes_nothing,
        "measurements": [
            {
                "measurement": each.measurement.name,
                "windows_lost": [str(window) for window in each.lost],
                "windows_gained": [str(window) for window in each.gained],
                "windows_due": [str(window) for window in each.due],
                "rows": each.rows,
                "rows_then": each.rows_then,
            }
            for each in planned.measurements
        ],
    }
