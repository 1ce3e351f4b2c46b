"""The Typer application with all commands. Heavy imports are left to the command that needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from influx_lake.cli.commands.check import check
from influx_lake.cli.commands.demo import demo
from influx_lake.cli.commands.discover import discover
from influx_lake.cli.commands.engine import engine
from influx_lake.cli.commands.history.history import history
from influx_lake.cli.commands.history.publish import publish
from influx_lake.cli.commands.history.refs import branch, tag
from influx_lake.cli.commands.history.rollback import rollback
from influx_lake.cli.commands.init import init
from influx_lake.cli.commands.lifecycle.certify import certify
from influx_lake.cli.commands.lifecycle.erase import erase
from influx_lake.cli.commands.lifecycle.offload import offload
from influx_lake.cli.commands.lifecycle.restore import restore
from influx_lake.cli.commands.maintain import maintain
from influx_lake.cli.commands.new import new
from influx_lake.cli.commands.plan import plan
from influx_lake.cli.commands.plugin.adopt import adopt
from influx_lake.cli.commands.plugin.import_plugin import import_plugin
from influx_lake.cli.commands.pools import pools
from influx_lake.cli.commands.preview import preview
from influx_lake.cli.commands.replicate import replicate
from influx_lake.cli.commands.reports.cost import cost
from influx_lake.cli.commands.reports.docs import docs
from influx_lake.cli.commands.reports.metrics import metrics
from influx_lake.cli.commands.reports.status import status
from influx_lake.cli.commands.schema import schema
from influx_lake.cli.commands.services.sandbox import sandbox
from influx_lake.cli.commands.services.serve import serve
from influx_lake.cli.commands.services.stream import stream
from influx_lake.cli.commands.services.ui import ui
from influx_lake.cli.commands.sql import sql
from influx_lake.cli.commands.tail import tail
from influx_lake.cli.commands.verify import verify

DEBUG_VARIABLE = "INFLUX_LAKE_DEBUG"
_FIRST_STEPS, _LAKE, _DAILY, _HISTORY = "First steps", "The lake.yaml", "The lake", "History"

app = typer.Typer(
    name="influx-lake",
    help="InfluxDB measurements in Apache Iceberg tables.",
    no_args_is_help=True,
    # `entry` reports errors: Typer's tracebacks show local variables, and so secrets.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_COMMANDS: dict[str, tuple[Callable[..., object], ...]] = {
    _FIRST_STEPS: (demo, new, sandbox, ui),
    _LAKE: (init, import_plugin, check, discover, schema, preview),
    _DAILY: (
        plan,
        replicate,
        tail,
        stream,
        adopt,
        status,
        verify,
        certify,
        sql,
        docs,
        cost,
        maintain,
        pools,
        serve,
        metrics,
    ),
    _HISTORY: (history, rollback, tag, branch, publish, erase, restore),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(command.__name__.replace("_", "-"), rich_help_panel=panel)(command)


app.add_typer(engine, rich_help_panel=_LAKE)
app.add_typer(offload, rich_help_panel=_HISTORY)


def _print_version(wanted: bool) -> None:
    if wanted:
        from influx_lake import __version__

        typer.echo(f"influx-lake {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.", envvar=DEBUG_VARIABLE)
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """InfluxDB measurements in Apache Iceberg tables."""


def wants_debug(arguments: Sequence[str]) -> bool:
    """Whether tracebacks of unexpected errors are shown."""
    return "--debug" in arguments or os.environ.get(DEBUG_VARIABLE, "").lower() not in ("", "0", "false", "no")
