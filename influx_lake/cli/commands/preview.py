"""The command `influx-lake preview`."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import Output, add_row, counted, output, plain_table
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from influx_lake.cli.inspection.sample import Sample
    from influx_lake.config import Measurement
    from influx_lake.config.values.windows import Window

_MOST_ROWS = 10_000


def preview(
    name: Annotated[
        str, typer.Argument(metavar="MEASUREMENT", help="The measurement, by name or by table.", show_default=False)
    ],
    window: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="A date or time, for the partition that contains it, or START/END. Default: the newest closed "
            "partition.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=_MOST_ROWS, help="The maximum number of rows.")] = 20,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the first rows of a window as a load would write them. Nothing is written; only the source is contacted."""
    from influx_lake.cli.inspection.sample import sample
    from influx_lake.cli.session import open_session
    from influx_lake.iceberg.columns.schema import iceberg_type

    with output(as_json) as out, open_session(config) as session:
        [measurement] = session.measurements([name])
        chosen = _window(window, measurement)
        source = session.source(measurement.source_of(chosen))
        found = sample(source, measurement, chosen, rows)
        types = {field.name: str(iceberg_type(field.type)) for field in found.rows.schema}
        _show(out, measurement, chosen, found, types)
        out.result(
            {
                "measurement": measurement.name,
                "table": measurement.table_name,
                "window": str(chosen),
                "read": str(found.read),
                "columns": [{"name": name, "type": kind} for name, kind in types.items()],
                "rows": [{name: _plain(value) for name, value in row.items()} for row in found.rows.to_pylist()],
                "quarantined_rows": found.quarantined,
            }
        )


def _window(text: str | None, measurement: Measurement) -> Window:
    from influx_lake.config.values.timestamps import in_zone
    from influx_lake.config.values.windows import Window, parse_moment
    from influx_lake.errors import ConfigurationError

    scheme, now = measurement.scheme, datetime.now(UTC)
    if text is None:
        end = max(now - measurement.lag, scheme.start)
        last = next(scheme.windows_back(scheme.start, scheme.window_at(end).start), None)
        return last or scheme.window_at(end)
    try:
        if "/" in text:
            return Window.parse(text)
        moment = parse_moment(text)
        if len(text) == len("2026-01-31"):
            # A date is in the partitions' time zone, as partition keys are.
            moment = in_zone(moment.replace(tzinfo=None), scheme.timezone)
        return scheme.window_at(moment)
    except ValueError:
        raise ConfigurationError(
            f"--window {text!r} is no date or time, and no window",
            remedy="Write a date or time that lies in the window, 2026-01-31, or its bounds, "
            "2026-01-31T00:00Z/2026-02-01T00:00Z",
        ) from None


def _show(out: Output, measurement: Measurement, window: Window, found: Sample, types: dict[str, str]) -> None:
    number = len(found.rows)
    out.line(f"{printable_name(measurement.name)} {window} → {measurement.table_name}")
    if not number:
        out.line("The source has no rows of this window: name another with --window.")
    else:
        numbers = [name for name, kind in types.items() if kind in _NUMBERS or kind.startswith("decimal")]
        table = plain_table(*types, right=numbers)
        add_row(table, *types.values())
        table.add_section()
        for row in found.rows.to_pylist():
            add_row(table, *map(_text, row.values()))
        out.table(table)
    aside = f", {found.quarantined:,} more would go to the quarantine" if found.quarantined else ""
    out.line(f"{counted(number, 'row')}{aside}; read was {found.read}. Nothing was written.")


_NUMBERS = frozenset({"int", "long", "float", "double"})


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(f"{key}={each}" for key, each in value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _plain(value: Any) -> Any:
    """A value as JSON; numbers that JSON cannot represent are strings."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if isinstance(value, list):
        return dict(value)
    return value
