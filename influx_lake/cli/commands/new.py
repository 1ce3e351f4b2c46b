"""The command `influx-lake new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import JsonOption
from influx_lake.cli.output import output


def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The project's folder. The project gets its name.")],
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill it as `influx-lake demo` does: a sandbox, and a week of metrics.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a Dagster project of your own, with a lake.yaml and an example asset."""
    from influx_lake.cli.demo.scenario import Demonstration
    from influx_lake.cli.demo.workspace import Workspace
    from influx_lake.cli.project.scaffold import write_project

    with output(as_json) as out:
        folder = folder.absolute()
        written = write_project(folder, demo=demo)
        out.line(f"✓ {folder}: a lake, an asset of your own on top of it, and a test")
        if demo:
            Demonstration(Workspace(folder), out).run(())
        out.line(f"Next: cd {folder.name}; its README.md has the commands")
        out.result({"folder": str(folder), "files": [str(path.relative_to(folder)) for path in written]})
