"""The command `influx-lake metrics`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import ConfigOption
from influx_lake.cli.output import output


def metrics(
    text_file: Annotated[
        Path | None,
        typer.Option(
            "--text-file",
            metavar="FILE",
            dir_okay=False,
            help="Write the metrics to this file (.prom), for the node exporter's textfile collector.",
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option("--push", metavar="URL", help="Push the metrics to this Pushgateway."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show the lake's metrics in Prometheus format, write them to a file or push them."""
    from influx_lake.cli.session import open_session
    from influx_lake.metrics import exposition

    with output(as_json=False) as out, open_session(config) as session:
        registry = exposition.registry_of(lambda: session.lake, lambda: session.catalog, reading_seconds=None)
        if text_file is not None:
            exposition.write_text_file(registry, text_file)
            out.line(f"✓ written to {text_file}")
        if push is not None:
            exposition.push(registry, push, session.lake.operation.name)
            out.line("✓ pushed")
        if text_file is None and push is None:
            sys.stdout.write(exposition.exposition(registry)[0].decode())
