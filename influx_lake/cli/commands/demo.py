"""The command `influx-lake demo`."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import JsonOption
from influx_lake.cli.output import Output, add_row, output, plain_table

if TYPE_CHECKING:
    from influx_lake.cli.demo.scenario import Outcome

_REPORTED = ("source_rows", "lake_rows", "windows", "table")


def demo(
    folder: Annotated[
        Path, typer.Option("--dir", metavar="FOLDER", help="The folder for .lake and lake.yaml.")
    ] = Path(),
    load: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Add a file of line protocol, also .gz; may be repeated.", exists=True),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fill a sandbox with a week of metrics and load it into Iceberg tables. Takes less than a minute."""
    began = time.monotonic()
    with output(as_json) as out:
        from influx_lake.cli.demo.scenario import Demonstration
        from influx_lake.cli.demo.workspace import Workspace

        workspace = Workspace(folder.absolute())
        outcomes = Demonstration(workspace, out).run(load or ())
        seconds = time.monotonic() - began
        _show(out, outcomes, workspace.folder, seconds)
        out.result(
            {
                "config": str(workspace.config),
                "seconds": round(seconds, 3),
                "measurements": {
                    name: {key: getattr(outcome, key) for key in _REPORTED} for name, outcome in outcomes.items()
                },
            }
        )


def _show(out: Output, outcomes: dict[str, Outcome], folder: Path, seconds: float) -> None:
    numbers = ["rows at the source", "rows in the lake", "windows", "columns"]
    table = plain_table("measurement", "table", *numbers, right=numbers)
    for name, each in outcomes.items():
        add_row(
            table,
            name,
            each.table,
            f"{each.source_rows:,}",
            f"{each.lake_rows:,}",
            str(each.windows),
            str(each.columns),
        )
    out.table(table)
    out.line(f"Done in {seconds:.0f} s. The tables are in {folder / '.lake' / 'warehouse'}")
    out.line("Next:" if folder == Path.cwd() else f"Next, in {folder}:")
    program = _program(folder)
    out.line(f"  {program} status    how much of each measurement is in the lake")
    out.line(f"  {program} ui        the lake in Dagster, with the sandbox beside it")
    out.line(f"  {program} sandbox   the sandbox alone, for `check` and `replicate`")


def _program(folder: Path) -> str:
    """The program's name for messages: `influx-lake`, or the path it was called by where it is not on PATH."""
    if shutil.which("influx-lake"):
        return "influx-lake"
    typed = Path(sys.argv[0]).absolute()
    if typed.name == "__main__.py":
        return f"{sys.executable} -m influx_lake.cli"
    return str(typed.relative_to(folder) if typed.is_relative_to(folder) else typed)
