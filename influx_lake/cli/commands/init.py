"""The command `influx-lake init`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import JsonOption, moment
from influx_lake.cli.output import Output, counted, output


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
        typer.Option("--database", "--bucket", help="The database, or bucket, to list the measurements of."),
    ] = None,
    org: Annotated[str | None, typer.Option(help="The organization (InfluxDB 2).")] = None,
    retention_policy: Annotated[
        str | None, typer.Option(help="The retention policy (InfluxDB 1 and its exports); `*` for all of a server.")
    ] = None,
    username: Annotated[str | None, typer.Option(help="The user (InfluxDB 1).")] = None,
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
        list[str] | None, typer.Option(help="The path of files, for a source of files; may be repeated.")
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Another option of the source: query_language=flux, tls.ca_file=ca.pem."
        ),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="DATE", help="The oldest day to load. Default: the day of the oldest point."
        ),
    ] = None,
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The file to write.")] = Path(
        "lake.yaml"
    ),
    from_telegraf: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Generate it from a Telegraf configuration, a file or a folder (may be repeated): outputs become "
            "sources, and processors become transforms, for use once you remove them from Telegraf. No server is "
            "contacted.",
        ),
    ] = None,
    source_only: Annotated[
        bool,
        typer.Option(
            "--source-only",
            help="With --from-telegraf: ignore its processors, because Telegraf keeps running them before points reach"
            " InfluxDB.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a lake.yaml for the measurements of a database, or of files; or from a Telegraf configuration."""
    from influx_lake.cli.new_source import Keeper, SourceOptions
    from influx_lake.config.lake.lake_file import LakeFile, stated_name, write_lake_file
    from influx_lake.config.measurements.first_points import too_early
    from influx_lake.config.values.windows import Every
    from influx_lake.errors import ConfigurationError

    with output(as_json) as out:
        lake = config.absolute()
        if lake.exists() and not force:
            raise ConfigurationError(f"{lake} is already there", remedy="Give --force to replace it, or -c for another")
        given = (kind, host, database, org, retention_policy, username, password_env, password_file, token_env)
        if from_telegraf:
            if any((*given, token_file, path, more)):
                raise ConfigurationError(
                    "--from-telegraf takes the source from Telegraf's outputs",
                    remedy="Give -c, --start, --force and --source-only with it; change `sources` in the file then",
                )
            _from_telegraf(out, lake, from_telegraf, start, source_only=source_only)
            return
        if source_only:
            raise ConfigurationError("--source-only is for --from-telegraf", remedy="Leave it out")
        options_of_source = SourceOptions(
            kind=kind,
            database=database,
            paths=path or [],
            options={"host": host, "org": org, "retention_policy": retention_policy, "username": username},
            token=Keeper(token_env, token_file),
            password=Keeper(password_env, password_file),
            more=more or [],
        )
        source = options_of_source.source(lake)
        listing = source.listing()
        names = list(listing.measurements)
        first = start or source.first_time(names)
        if start is None and first is not None and (reason := too_early(Every.DAY, first)):
            raise ConfigurationError(reason, remedy="Give --start, the first day that is to be loaded")
        day = (first or datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)).date()
        # Assets of a project refer to the lake's resources by its name.
        file = LakeFile(source=source.entry, start=day, measurements=tuple(names), name=stated_name(lake))
        write_lake_file(lake, file)
        out.line(
            f"✓ {lake}: {counted(len(names), 'measurement')} of {source.config.label}"
            + (f": {', '.join(names[:10])}" if names else "")
        )
        if remark := listing.left_out():
            out.line(
                f"{remark}. The server lists them until it deletes them; name one under `measurements` to load it."
            )
        oldest = " the day of the oldest one;" if first and not start else ""
        out.line(f"Points from {day} on are loaded,{oldest} --start says otherwise.")
        out.line("Next: influx-lake check, then influx-lake replicate --all")
        out.result(
            {"config": str(lake), "source": dict(source.entry), "measurements": names, "dropped": [*listing.dropped]}
        )


def _from_telegraf(out: Output, lake: Path, paths: list[Path], start: datetime | None, *, source_only: bool) -> None:
    from influx_lake.cli.telegraf.conversion import imported
    from influx_lake.cli.telegraf.document import read_document
    from influx_lake.cli.telegraf.invalid_options import settled
    from influx_lake.cli.telegraf.lake_text import lake_file_text
    from influx_lake.config.lake.lake_file import replace_text, stated_name

    document = read_document(paths)
    found = settled(imported(document, source_only=source_only), lake, document.files[0])
    day = start.date() if start else None
    text = lake_file_text(found, day, source_only=source_only, name=stated_name(lake))
    replace_text(lake, text, checked=True)
    out.line(f"✓ {lake}: {counted(len(found.measurements), 'entry', 'entries')} of {', '.join(found.sources)}")
    for title, remarks in (("Not carried over", found.left_out), ("To be known", found.notes)):
        if remarks:
            out.line(f"{title}:")
        for remark in remarks:
            out.line(f"  {remark}")
    out.line("Next: influx-lake discover, then influx-lake check and influx-lake replicate --all")
    out.result(
        {
            "config": str(lake),
            "sources": dict(found.sources),
            "defaults": dict(found.defaults),
            "measurements": dict(found.measurements),
            "not_carried_over": [remark.facts() for remark in found.left_out],
            "notes": [remark.facts() for remark in found.notes],
        }
    )
