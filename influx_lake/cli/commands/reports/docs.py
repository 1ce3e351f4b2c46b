"""The command `influx-lake docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption, Measurements
from influx_lake.cli.output import counted, output
from influx_lake.printable import printable_name


def docs(
    folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="The folder to write the pages to.", file_okay=False)
    ],
    names: Measurements = None,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="Show no values of the tables.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an HTML page for each measurement: columns, coverage, history, sample queries. Only the lake is read."""
    from influx_lake.cli.session import open_session
    from influx_lake.site.measurement_page import described
    from influx_lake.site.site_writer import write_site

    with output(as_json) as out, open_session(config) as session:
        found = []
        for each in session.measurements(names):
            described_page = described(session.lake, session.catalog, each, samples=not no_samples)
            found.append(described_page)
            if described_page.unknown and described_page.columns:
                columns = ", ".join(map(printable_name, described_page.unknown))
                out.note(f"! {each.full_name} has no column {columns}, which lake.yaml describes")
        pages = write_site(session.lake, found, folder)
        out.line(f"{counted(len(pages), 'page')}: {pages[0]}")
        out.result({"folder": str(folder), "pages": [str(path.relative_to(folder)) for path in pages]})
