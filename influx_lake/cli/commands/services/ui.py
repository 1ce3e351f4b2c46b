"""The command `influx-lake ui`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import Output, counted, output

if TYPE_CHECKING:
    from influx_lake.config import Lake
    from influx_lake.replication.discovery import Survey


def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The UI's port; 0 picks a free one.")] = 3000,
    with_sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox/--no-sandbox",
            help="Also start the lake's sandbox if a source is on this machine but does not answer, and .lake/sandbox "
            "holds data.",
        ),
    ] = True,
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser when the UI is ready.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run the Dagster UI and daemon on the lake, until Ctrl-C."""
    from influx_lake.cli.dagster_dev import DagsterDev, dagster_instance
    from influx_lake.cli.sandboxes import sandbox_of
    from influx_lake.config import load_lake
    from influx_lake.orchestration.pools import set_pools

    with output(as_json) as out, ExitStack() as stack:
        lake = load_lake(config)
        box = stack.enter_context(sandbox_of(lake)) if with_sandbox else None
        if box is not None:
            out.line(f"The sandbox of this lake listens on {box.url}")
        dagster = DagsterDev(lake, port)
        for each in lakes_of_the_ui(lake, out):
            _report_loaded(each, out)
            with dagster_instance(lake) as instance:
                set_pools(instance, each)
        stack.enter_context(dagster)
        out.line(f"Starting Dagster on {dagster.url}; its data are in {dagster.home}. Stop it with Ctrl-C.")
        if dagster.wait_until_ready():
            out.line(f"✓ The UI is ready: {dagster.url}")
            out.result(
                {
                    "url": dagster.url,
                    "pid": dagster.pid,
                    "dagster_home": str(dagster.home),
                    "config": str(lake.path),
                    "sandbox": box.url if box else None,
                }
            )
            if open_browser:
                typer.launch(dagster.url)
        return dagster.wait()


def _report_loaded(lake: Lake, out: Output) -> None:
    from influx_lake.cli.dagster_dev import report_loaded
    from influx_lake.errors import LakeError

    try:
        found = report_loaded(lake)
    except LakeError as error:
        out.note(f"Windows that came into the lake without Dagster will not show: {error}")
        return
    if found.windows or found.checks:
        windows, checks = counted(found.windows, "window"), counted(found.checks, "result")
        out.line(f"{windows} loaded without Dagster will show as materialised, with {checks} of checks")
    for failure in found.failures:
        out.note(f"A check could not be done: {failure}")


def lakes_of_the_ui(lake: Lake, out: Output) -> list[Lake]:
    """The lake, with its measurements' first points; in a project, one for each component."""
    from influx_lake.cli.dagster_dev import dagster_instance
    from influx_lake.cli.dg_project import project_of_components
    from influx_lake.config import load_lake

    if project_of_components(lake.path) != lake.root:
        if lake.awaits_first_points:
            _ask_for_first_points(lake, out)
        return [load_lake(lake.path)]
    from influx_lake.component.project_state import components_of, keep_in_components

    try:
        with dagster_instance(lake) as instance:
            components = components_of(lake.root, lake)
            waiting = any(each.awaits_first_points(instance) for each in components)
            if waiting and (survey := _ask_for_first_points(lake, out)):
                keep_in_components(components, survey.added_to, instance)
                components = components_of(lake.root, lake)
            return [each.keyed_lake for each in components] or [lake]
    except Exception as error:  # whatever keeps a project of others from loading
        out.note(f"! The project does not load: {error}")
        return []


def _ask_for_first_points(lake: Lake, out: Output) -> Survey | None:
    """Query the sources for first points; None where they do not answer, since the sensor asks again."""
    from influx_lake.cli.session import open_session
    from influx_lake.errors import LakeError
    from influx_lake.replication.discovery import discover_measurements

    try:
        with open_session(lake.path) as session:
            survey = discover_measurements(session.lake, session.source)[0]
    except LakeError as error:
        out.note(f"First points are not known yet: {error}")
        return None
    if survey.resolved.warning:
        out.note(f"! {survey.resolved.warning}")
    return survey
