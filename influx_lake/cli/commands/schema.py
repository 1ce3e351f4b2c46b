"""The command `influx-lake schema`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import Output, add_row, output, plain_table
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from rich.table import Table

    from influx_lake.cli.inspection.columns import ColumnLine, Columns
    from influx_lake.config import Measurement


def schema(
    name: Annotated[
        str | None,
        typer.Argument(metavar="MEASUREMENT", help="The measurement, by name or by table.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a measurement's columns map to its table; without an argument, print the JSON Schema of lake.yaml.

    Each column of the table is shown with its source column, transform and Iceberg type. Only the source is contacted.
    """
    if name is None:
        from influx_lake.config import lake_json_schema

        sys.stdout.write(json.dumps(lake_json_schema(), indent=2, ensure_ascii=False) + "\n")
        return
    from influx_lake.cli.inspection.columns import columns_of
    from influx_lake.cli.session import open_session
    from influx_lake.errors import LakeError

    with output(as_json) as out, open_session(config) as session:
        [measurement] = session.measurements([name])
        try:
            found = columns_of(session.source(measurement.source), measurement)
        except LakeError as error:
            raise error.about(measurement.name) from None
        _show(out, measurement, found)
        out.result(
            {
                "measurement": measurement.name,
                "source": measurement.source,
                "table": measurement.table_name,
                "columns": [line.facts() for line in found.lines],
                "rows": list(found.rows),
            }
            | ({"wide": [line.facts() for line in found.wide]} if found.wide else {})
        )


def _show(out: Output, measurement: Measurement, found: Columns) -> None:
    out.line(f"{printable_name(measurement.name)} of {measurement.source} → {measurement.table_name}")
    out.table(_table(found.lines))
    if found.wide:
        out.line("A row for each value of:")
        out.table(_table(found.wide))
    for remark in found.rows:
        out.line(f"Rows: {printable_name(remark)}")


def _table(lines: Iterable[ColumnLine]) -> Table:
    table = plain_table("source", "type", "transform", "column", "Iceberg type", "")
    for line in lines:
        add_row(table, *_cells(line))
    return table


def _cells(line: ColumnLine) -> tuple[str, ...]:
    sources = ", ".join(each.name for each in line.sources)
    types = ", ".join(dict.fromkeys(str(each.type) for each in line.sources))
    return sources, types, line.transform, line.name or "—", line.type or "", "; ".join(line.notes)
