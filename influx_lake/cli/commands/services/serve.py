"""The command `influx-lake serve`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import output

if TYPE_CHECKING:
    from influx_lake.config import Lake
    from influx_lake.serve.service import Runs

_MODULES = ("fastapi", "uvicorn", "prometheus_client")
"""The modules of the extra."""


def serve(
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="The address to listen on. Default: serve.host, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; 0 picks a free one. Default: serve.port, 8282.")
    ] = None,
    dagster: Annotated[
        bool | None,
        typer.Option(
            "--dagster/--no-dagster",
            help="Load windows in Dagster runs instead of in the service itself. Default: if $DAGSTER_HOME is set.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Serve the lake over HTTP until Ctrl-C: loads, comparisons and status, on demand."""
    from importlib.util import find_spec

    from influx_lake.config import load_lake
    from influx_lake.errors import MissingExtra

    if not all(find_spec(module) for module in _MODULES):
        raise MissingExtra("influx-lake serve", "serve")
    with output(as_json) as out, ExitStack() as stack:
        lake = _with(load_lake(config), host, port)
        from influx_lake.serve.logs import log_to_stderr
        from influx_lake.serve.server import serve as served
        from influx_lake.serve.service import Service

        stack.enter_context(log_to_stderr())
        runs = _runs(lake, stack) if dagster or (dagster is None and os.environ.get("DAGSTER_HOME")) else None
        service = Service(lake, runs)

        def ready(address: str) -> None:
            who = "Runs of Dagster load" if runs else "It loads"
            out.line(f"✓ {lake.path} is served at {address}. {who} what is asked for. Stop it with Ctrl-C.")
            out.result({"url": address, "config": str(lake.path), "dagster": runs is not None})

        try:
            served(service, ready)
        finally:
            service.close()
    return 0


def _runs(lake: Lake, stack: ExitStack) -> Runs:
    from influx_lake.cli.dagster_dev import dagster_instance
    from influx_lake.orchestration.requests.requested_runs import DagsterRuns
    from influx_lake.serve.problems import problem_of

    instance = stack.enter_context(dagster_instance(lake))
    return DagsterRuns(instance, lambda error: problem_of(error).content)


def _with(lake: Lake, host: str | None, port: int | None) -> Lake:
    """The lake, with `serve` options overridden by those of the command.

    Raises:
        ConfigurationError: The options are invalid.
    """
    from dataclasses import replace

    from pydantic import ValidationError

    from influx_lake.config.lake.serving import ServeOptions
    from influx_lake.errors import ConfigurationError

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if not given:
        return lake
    stated = {name: getattr(lake.serve, name) for name in ServeOptions.model_fields}
    try:
        return replace(lake, serve=ServeOptions(**(stated | given)))
    except ValidationError as error:
        messages = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise ConfigurationError(f"--host: {messages}") from None
