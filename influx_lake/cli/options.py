"""Options shared by commands, and parsers of their values."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer


def moment(text: str) -> datetime:
    """Parse an ISO 8601 date or time.

    Raises:
        BadParameter: It is not one.
    """
    from influx_lake.config.values.windows import parse_moment

    try:
        return parse_moment(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a date or time, to the microsecond at most: write 2026-01-31 or 2026-01-31T06:00Z"
        ) from None


def duration(text: str) -> timedelta:
    """Parse a duration such as `1d`.

    Raises:
        BadParameter: It is not one, or zero.
    """
    from influx_lake.config.values.units import parse_duration

    try:
        value = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None
    if not value:
        raise typer.BadParameter("a window needs a length above 0")
    return value


def where(text: str) -> int | str | datetime:
    """Parse a snapshot's designation: an id, a date or time, or a branch or tag."""
    from influx_lake.iceberg.history.rollback import named_snapshot

    return named_snapshot(text)


ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="The lake.yaml. Default: $INFLUX_LAKE_CONFIG, else ./lake.yaml."
    ),
]
BranchOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--branch", metavar="NAME", help="Use this branch of the tables, which readers do not see."),
]
ChangedOption: TypeAlias = Annotated[
    bool,
    typer.Option("--changed", help="The windows that were loaded with a different definition of columns and rows."),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Measurements: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="MEASUREMENT", help="The measurement, by name or by table.", show_default=False),
]
OneMeasurement: TypeAlias = Annotated[
    str, typer.Argument(metavar="MEASUREMENT", help="The measurement, by name or by table.")
]
OneTable: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MEASUREMENT", help="A measurement or a table, including those of roll-ups and quarantines."
    ),
]
StartOption: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        parser=moment,
        metavar="TIME",
        help="The start of the range (inclusive), a date or time; UTC unless a zone is given.",
    ),
]
EndOption: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        parser=moment,
        metavar="TIME",
        help="The end of the range (exclusive), a date or time; UTC unless a zone is given.",
    ),
]
EveryOption: TypeAlias = Annotated[
    timedelta | None,
    typer.Option(
        parser=duration,
        metavar="DURATION",
        help="Divide the range into windows of this length (1d, 6h) instead of partitions.",
    ),
]
