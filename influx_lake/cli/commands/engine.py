"""The commands `influx-lake engine install`, `check` and `remove`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import output

if TYPE_CHECKING:
    from influx_lake.engine.server import EngineServer
    from influx_lake.engine.triggers import Telling, Trigger

engine = typer.Typer(
    name="engine",
    help="Manage the plugin inside InfluxDB 3 that reports which windows received late points.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

Database = Annotated[str | None, typer.Option("--database", metavar="NAME", help="The source with this database.")]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source with this name.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="Report to `influx-lake serve` at this address instead of the table of changes."
    ),
]
TokenVariable = Annotated[
    str | None,
    typer.Option(
        "--token-variable",
        metavar="NAME",
        help="The environment variable of the database's server that holds the token for `serve`. Default: "
        "INFLUX_LAKE_TOKEN.",
    ),
]
TokenFile = Annotated[
    str | None, typer.Option("--token-file", metavar="FILE", help="A file on the database's server with the token.")
]
CaFile = Annotated[
    str | None, typer.Option("--ca-file", metavar="FILE", help="Certificates on the database's server to trust.")
]


@engine.command("install")
def install(
    database: Database = None,
    source: Source = None,
    url: Url = None,
    token_variable: TokenVariable = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the commands for InfluxDB's own command line; change nothing.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Install the plugin in a database: its file and its triggers. Correct ones that exist are kept."""
    from influx_lake.engine.installation import install as put
    from influx_lake.engine.triggers import PLUGIN, Telling

    telling = Telling(url, token_variable, token_file, ca_file)
    with output(as_json) as out, _opened(config, database, source, telling) as (name, server, triggers, tells):
        if only_print:
            commands = [f"cp {PLUGIN} PLUGIN_DIR/", *(trigger.command(_database(triggers)) for trigger in triggers)]
            out.result({"commands": commands})
            for command in commands:
                out.line(command)
            return 0
        steps, refusal = put(server, triggers)
        if refusal:
            out.note(f"! The file could not be uploaded ({refusal}); the one in the plugin directory is used.")
        for step in steps:
            out.line(f"✓ {step.trigger}: {step.done}")
        if not tells:
            out.note(f"! Nobody reads what it tells: add `changes: {{}}` to the source {name} in lake.yaml.")
        out.result({"source": name, "triggers": {step.trigger: step.done for step in steps}, "upload": refusal})
        return 0


@engine.command("check")
def check(
    database: Database = None,
    source: Source = None,
    url: Url = None,
    token_variable: TokenVariable = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check whether the plugin of a database runs, and since when it has reported nothing."""
    from influx_lake.engine.installation import look
    from influx_lake.engine.triggers import Telling

    telling = Telling(url, token_variable, token_file, ca_file)
    with output(as_json) as out, _opened(config, database, source, telling) as (name, server, triggers, _):
        findings = list(look(server, triggers))
        for each in findings:
            out.line(f"{'✓' if each.ok else '✗'} {each.message}")
            if each.remedy:
                out.line(f"    → {each.remedy}")
        ok = all(each.ok for each in findings)
        facts = [{"ok": each.ok, "detail": each.message, "remedy": each.remedy} for each in findings]
        out.result({"source": name, "ok": ok, "checks": facts})
        return 0 if ok else 1


@engine.command("remove")
def remove(
    database: Database = None, source: Source = None, config: ConfigOption = None, as_json: JsonOption = False
) -> int:
    """Remove the plugin's triggers from a database. Its file and the table of changes are kept."""
    from influx_lake.engine.installation import remove as take
    from influx_lake.engine.triggers import Telling

    with output(as_json) as out, _opened(config, database, source, Telling()) as (name, server, triggers, _):
        steps = take(server, triggers)
        for step in steps:
            out.line(f"✓ {step.trigger}: {step.done}")
        if not steps:
            out.line("It has none of the plugin's triggers.")
        out.result({"source": name, "triggers": {step.trigger: step.done for step in steps}})
        return 0


def _database(triggers: Sequence[Trigger]) -> str:
    return triggers[0].arguments["database"]


@contextmanager
def _opened(
    config: Path | None, database: str | None, source: str | None, telling: Telling
) -> Iterator[tuple[str, EngineServer, tuple[Trigger, ...], bool]]:
    """A source's name, its engine, the triggers that it should have, and whether the lake uses its reports."""
    from influx_lake.config import load_lake
    from influx_lake.engine.server import EngineServer
    from influx_lake.engine.triggers import find_source, triggers_of

    lake = load_lake(config)
    name, found = find_source(lake, database, source)
    triggers = triggers_of(lake, name, found.database, telling)
    with closing(EngineServer(found)) as server:
        yield name, server, triggers, found.changes is not None
