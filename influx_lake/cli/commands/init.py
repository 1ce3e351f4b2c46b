"""`influx-lake init`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import JsonOption, moment
from influx_lake.cli.output import counted, output

if TYPE_CHECKING:
    from influx_lake.config import Secret
    from influx_lake.sources import Source


def init(
    host: Annotated[str, typer.Option(help="The server, such as https://influxdb.example.com.")],
    database: Annotated[str, typer.Option(help="The database whose measurements are wanted.")],
    token_env: Annotated[
        str,
        typer.Option(metavar="NAME", help="The variable with the token; its name is written, never its value."),
    ] = "INFLUXDB3_TOKEN",  # noqa: S107 - a name
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with the token, instead of a variable.")
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="DATE", help="The oldest day to load. Default: this year's first."),
    ] = None,
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The file to write.")] = Path(
        "lake.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a lake.yaml for the measurements of a running database."""
    from influx_lake.cli.lake_file import LakeFile, token_reference, write_lake_file
    from influx_lake.config import Secret
    from influx_lake.errors import ConfigurationError

    with output(as_json) as out:
        path = config.absolute()
        if path.exists() and not force:
            raise ConfigurationError(f"{path} is already there", remedy="Give --force to replace it, or -c for another")
        token = token_reference(token_env if os.environ.get(token_env) else None, token_file, path.parent)
        names = _measurements(host, database, Secret(token, root=path.parent) if token else None, token_env)
        day = (start or datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)).date()
        write_lake_file(path, LakeFile(host=host, database=database, token=token, start=day, measurements=tuple(names)))
        out.line(
            f"✓ {path}: {counted(len(names), 'measurement')} of {database}"
            + (f": {', '.join(names[:10])}" if names else "")
        )
        out.line("Next: influx-lake check, then influx-lake replicate --all")
        out.result({"config": str(path), "host": host, "database": database, "token": token, "measurements": names})


def _measurements(host: str, database: str, token: Secret | None, variable: str) -> list[str]:
    from influx_lake.errors import AuthenticationFailed
    from influx_lake.sources.influxdb3 import InfluxDB3Source

    source: Source = InfluxDB3Source(host, database, token)
    try:
        return source.measurements()
    except AuthenticationFailed as error:
        if token is None:
            error.remedy = f"Set ${variable}, or name another variable with --token-env, or a file with --token-file"
        raise
    finally:
        source.close()
