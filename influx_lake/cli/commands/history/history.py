"""The command `influx-lake history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, OneTable
from influx_lake.cli.output import add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window
    from influx_lake.iceberg.history.log import Entry

LIMIT = 20


def history(
    name: OneTable,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The snapshots of this branch. Default: the current snapshot and its ancestors."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Show all snapshots, including those that were rolled back or are on branches."),
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="How many snapshots to show, newest first.")
    ] = LIMIT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the snapshots of a table, newest first: the window, the run, the rows, and who made each."""
    if branch is not None and everything:
        raise typer.BadParameter("--all shows those of all branches", param_hint="--branch")
    from influx_lake.cli.session import open_session
    from influx_lake.iceberg.history.log import history as snapshots
    from influx_lake.iceberg.history.refs import refs_of
    from influx_lake.iceberg.history.snapshot_view import MAIN
    from influx_lake.iceberg.scan.reader import open_table

    with output(as_json) as out, open_session(config) as session:
        identifier = session.identifier(name)
        table, called = open_table(session.catalog, identifier), ".".join(identifier)
        found = list(snapshots(table, branch or MAIN, everything=everything))
        shown = found if everything else found[:limit]
        rows = plain_table("snapshot", "at", "operation", "window", "rows", "before", "who", "names", right=_NUMBERS)
        for each in shown:
            add_row(rows, *_row(each))
        out.table(rows)
        more = len(found) - len(shown)
        out.line(f"{counted(len(found), 'snapshot')} of {called}" + (f", {more:,} older" if more else ""))
        out.result(
            {
                "table": called,
                "branch": branch or MAIN,
                "snapshots": [entry_facts(each) for each in (found if everything else shown)],
                "count": len(found),
                "refs": {
                    ref.name: {"type": "tag" if ref.is_tag else "branch", "snapshot_id": str(ref.snapshot_id)}
                    for ref in refs_of(table)
                },
            }
        )


_NUMBERS = ["rows", "before"]
_RUN_CHARACTERS = 16
"""How much of a run's id is shown; `--json` has all of it."""


def _row(entry: Entry) -> list[str]:
    of = f"{entry.measurement} " if entry.measurement else ""
    window = f"{of}{_short(entry.window)}{' (tail)' if entry.is_tail else ''}" if entry.window else ""
    # A snapshot that is not a load has only file counts.
    rows, before = entry.rows, entry.previous_rows
    return [
        str(entry.snapshot_id),
        f"{entry.at:%Y-%m-%d %H:%M:%S}Z",
        _operation(entry),
        window,
        f"+{entry.rows_added:,} -{entry.rows_removed:,}" if rows is None else f"{rows:,}",
        "" if before is None else f"{before:,}",
        entry.who[:_RUN_CHARACTERS],
        ", ".join(entry.names),
    ]


def _operation(entry: Entry) -> str:
    done = f"{entry.operation}: {entry.maintenance}" if entry.maintenance else entry.operation
    return done if entry.is_read else f"{done} (not read)"


def _short(window: Window) -> str:
    return str(window).replace("T00:00:00Z", "").replace(":00Z", "Z")


def entry_facts(entry: Entry) -> dict[str, Any]:
    """A snapshot as JSON. Its id is a string, since it exceeds JavaScript's integers."""
    from influx_lake.config.values.windows import utc_text

    return {
        "snapshot_id": str(entry.snapshot_id),
        "parent_id": None if entry.parent_id is None else str(entry.parent_id),
        "at": utc_text(entry.at),
        "operation": entry.operation,
        "is_read": entry.is_read,
        "by_influx_lake": entry.ours,
        "window": str(entry.window) if entry.window else None,
        "tail": entry.is_tail,
        "rows": entry.rows,
        "previous_rows": entry.previous_rows,
        "rows_added": entry.rows_added,
        "rows_removed": entry.rows_removed,
        "files_added": entry.files_added,
        "files_removed": entry.files_removed,
        "total_rows": entry.total_rows,
        "measurement": entry.measurement,
        "run_id": entry.run_id,
        "source": entry.source,
        "engine": entry.engine,
        "maintenance": entry.maintenance,
        "made_on_branch": entry.made_on,
        "names": list(entry.names),
    }
