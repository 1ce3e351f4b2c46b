"""The command `influx-lake import-plugin`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import JsonOption, moment
from influx_lake.cli.output import counted, output


def import_plugin(
    triggers: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|ARGUMENTS",
            help="The TOML file of a scheduler trigger, its arguments (measurement=cpu,catalog_configs=...), the body "
            "of a request, or a file with `influxdb3 create trigger` commands; may be repeated.",
        ),
    ],
    host: Annotated[
        str | None, typer.Option(help="The server that the triggers run in. Default: the variable INFLUXDB3_HOST.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="The database of the triggers. Default: the variable INFLUXDB3_DATABASE."),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            parser=moment,
            metavar="DATE",
            help="The oldest day to load. Default: the one in a request, else the day of each measurement's first "
            "point.",
        ),
    ] = None,
    out_file: Annotated[
        Path, typer.Option("--out", "--config", "-c", metavar="FILE", help="The file to write.")
    ] = Path("lake.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a lake.yaml from triggers of InfluxData's plugin influxdb_to_iceberg.

    Credentials become references to variables, which are listed. No server is contacted.
    """
    from influx_lake.cli.plugin.conversion import imported
    from influx_lake.cli.plugin.lake_text import lake_file_text, to_set
    from influx_lake.cli.plugin.triggers import read_triggers
    from influx_lake.config.lake.lake_file import replace_text, stated_name
    from influx_lake.errors import ConfigurationError

    with output(as_json) as out:
        lake = out_file.absolute()
        if lake.exists() and not force:
            raise ConfigurationError(
                f"{lake} is already there", remedy="Give --force to replace it, or --out for another"
            )
        found = imported(read_triggers(triggers), host=host, database=database, start=start.date() if start else None)
        replace_text(lake, lake_file_text(found, stated_name(lake)), checked=True)
        out.line(f"✓ {lake}: {counted(len(found.measurements), 'measurement')} of {', '.join(found.sources)}")
        out.line("To be set, a secret as a variable or in the file beside the lake.yaml:")
        for line in to_set(found):
            out.line(f"  {line}")
        out.line("What is different from the plugin:")
        for change in found.changes:
            out.line(f"  {change}")
        out.line(
            "Next: disable the triggers, then influx-lake discover and influx-lake adopt --all (--dry-run tells before)"
        )
        out.result(
            {
                "config": str(lake),
                "sources": {name: dict(entry) for name, entry in found.sources.items()},
                "catalog": dict(found.catalog),
                "defaults": dict(found.defaults),
                "measurements": {name: dict(entry) for name, entry in found.measurements.items()},
                "variables": [*found.places, *(each.variable for each in found.credentials)],
                "changes": [each.facts() for each in found.changes],
            }
        )
