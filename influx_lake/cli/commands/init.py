"""`influx-lake init`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import JsonOption, moment
from influx_lake.cli.output import counted, output


def init(
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="influxdb3, influxdb2, influxdb1, auto, line_protocol, landing_zone or influxdb3_parquet. Default: "
            "whichever InfluxDB answers at the host.",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The server, such as https://influxdb.example.com.")] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", "--bucket", help="The database, or bucket, whose measurements are wanted."),
    ] = None,
    org: Annotated[str | None, typer.Option(help="The organization, of an InfluxDB 2.")] = None,
    retention_policy: Annotated[
        str | None, typer.Option(help="The retention policy, of an InfluxDB 1 or its exports; `*` for all of a server.")
    ] = None,
    username: Annotated[str | None, typer.Option(help="The user, of an InfluxDB 1.")] = None,
    password_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The variable with the password. Default: INFLUXDB1_PASSWORD."),
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with the password, instead of a variable.")
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The variable with the token; its name is written, never its value. Default: INFLUXDB3_TOKEN, "
            "INFLUXDB2_TOKEN, ..., by type.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with the token, instead of a variable.")
    ] = None,
    path: Annotated[
        list[str] | None, typer.Option(help="The files, of a source that is files; may be given several times.")
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Another option of the source: query_language=flux, tls.ca_file=ca.pem."
        ),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="DATE", help="The oldest day to load. Default: that of the oldest point."),
    ] = None,
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The file to write.")] = Path(
        "lake.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a lake.yaml for the measurements of a database, or of files."""
    from influx_lake.cli.new_source import Keeper, Wanted
    from influx_lake.config.lake.lake_file import LakeFile, stated_name, write_lake_file
    from influx_lake.config.measurements.first_points import too_early
    from influx_lake.config.values.windows import Every
    from influx_lake.errors import ConfigurationError

    with output(as_json) as out:
        lake = config.absolute()
        if lake.exists() and not force:
            raise ConfigurationError(f"{lake} is already there", remedy="Give --force to replace it, or -c for another")
        wanted = Wanted(
            kind=kind,
            database=database,
            paths=path or [],
            options={"host": host, "org": org, "retention_policy": retention_policy, "username": username},
            token=Keeper(token_env, token_file),
            password=Keeper(password_env, password_file),
            more=more or [],
        )
        source = wanted.source(lake)
        listing = source.listing()
        names = list(listing.measurements)
        first = start or source.first_time(names)
        if start is None and first is not None and (reason := too_early(Every.DAY, first)):
            raise ConfigurationError(reason, remedy="Give --start, the first day that is to be loaded")
        day = (first or datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)).date()
        # A project's assets know their lake's resources by its name.
        file = LakeFile(source=source.entry, start=day, measurements=tuple(names), name=stated_name(lake))
        write_lake_file(lake, file)
        out.line(
            f"✓ {lake}: {counted(len(names), 'measurement')} of {source.config.label}"
            + (f": {', '.join(names[:10])}" if names else "")
        )
        if said := listing.left_out():
            out.line(f"{said}. The server lists them until it deletes them; name one under `measurements` to load it.")
        oldest = " the day of the oldest one;" if first and not start else ""
        out.line(f"Points from {day} on are loaded,{oldest} --start says otherwise.")
        out.line("Next: influx-lake check, then influx-lake replicate --all")
        out.result(
            {"config": str(lake), "source": dict(source.entry), "measurements": names, "dropped": [*listing.dropped]}
        )
