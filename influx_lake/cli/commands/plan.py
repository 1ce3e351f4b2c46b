"""The command `influx-lake plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import (
    ChangedOption,
    ConfigOption,
    EndOption,
    EveryOption,
    JsonOption,
    Measurements,
    StartOption,
)
from influx_lake.cli.output import Output, add_row, counted, output, plain_table

if TYPE_CHECKING:
    from influx_lake.config import Measurement
    from influx_lake.config.values.windows import Window


def plan(
    names: Measurements = None,
    measurement: Annotated[
        list[str] | None,
        typer.Option("--measurement", "-m", help="The same as the argument; may be repeated.", metavar="MEASUREMENT"),
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    every: EveryOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Include windows that are already loaded.")] = False,
    changed: ChangedOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which windows are due: closed, and not in the lake yet.

    With --changed, show the windows that were loaded with a different definition of columns and rows.
    """
    if changed and (everything or every is not None):
        raise typer.BadParameter("it is not for --all and --every", param_hint="--changed")
    from influx_lake.cli.session import open_session

    with output(as_json) as out, open_session(config) as session:
        named = [*(names or []), *(measurement or [])]
        if changed:
            plans = session.changed(named, start, end)
            show_plan(out, plans, "loaded under another definition", "influx-lake replicate --all --changed")
        else:
            plans = session.plan(named, start, end, every, only_missing=not everything)
            show_plan(out, plans, "planned" if everything else "missing")
        out.result(
            {
                "measurements": [plan_facts(each, windows) for each, windows in plans],
                "windows": sum(len(windows) for _, windows in plans),
            }
        )


def plan_facts(measurement: Measurement, windows: list[Window]) -> dict[str, object]:
    """The planned windows of a measurement as JSON."""
    return {
        "measurement": measurement.name,
        "table": measurement.table_name,
        "count": len(windows),
        "windows": [str(window) for window in windows],
    }


def show_plan(
    out: Output,
    plans: list[tuple[Measurement, list[Window]]],
    title: str,
    command: str = "influx-lake replicate --all",
) -> None:
    """Print the planned windows of measurements."""
    table = plain_table("measurement", "table", "windows", "first", "last", right=["windows"])
    for measurement, windows in plans:
        first, last = (str(windows[0]), str(windows[-1])) if windows else ("", "")
        add_row(table, measurement.name, measurement.table_name, f"{len(windows):,}", first, last)
    out.table(table)
    total = sum(len(windows) for _, windows in plans)
    out.line(f"{counted(total, 'window')} {title}." + (f" Load them with: {command}" if total else ""))
