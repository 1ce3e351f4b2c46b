"""Options that guard loads: `on_shrink`, `shrink_tolerance`, `on_changed_values`, `max_window_rows`, `adopt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from influx_lake.config.values.units import WholeNumber, YesNo

TOLERANCE_PATTERN = r"^\s*(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?\s*%?\s*$"

_TOLERANCE = re.compile(r"\s*((?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?)\s*(%?)\s*")


class OnShrink(StrEnum):
    """What happens when the source holds fewer rows for a window than the lake."""

    FAIL = "fail"
    MERGE = "merge"
    REPLACE = "replace"


class OnChangedValues(StrEnum):
    """What happens when the source holds other values for a window than the lake, and as many rows."""

    REPORT = "report"
    LOAD = "load"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The number of rows that a window may lose.

    Attributes:
        amount: The number, in rows or per cent.
        percent: Whether it is per cent of the lake's rows of the window.
    """

    amount: Decimal = Decimal(0)
    percent: bool = False

    def allows(self, missing: int, held: int) -> bool:
        """Whether `missing` of `held` rows may be lost."""
        return missing <= (held * self.amount / 100 if self.percent else self.amount)

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


NO_TOLERANCE = Tolerance()


def parse_tolerance(value: object) -> Tolerance:
    """Parse `0`, `250` or `0.5%`.

    Raises:
        ValueError: It is neither a number of rows nor a percentage.
    """
    if isinstance(value, Tolerance):
        return value
    match = _TOLERANCE.fullmatch(str(value))
    if match is None or (not match[2] and "." in match[1]) or (match[2] and Decimal(match[1]) > 100):
        raise ValueError("is not a tolerance: write a number of rows, such as 100, or a percentage, such as 0.5%")
    return Tolerance(Decimal(match[1]), bool(match[2]))


class GuardOptions(BaseModel):
    """When a load is stopped before it changes the table."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    on_shrink: OnShrink = Field(
        default=OnShrink.FAIL,
        description="What happens when the source holds fewer rows for a window than the lake: `fail` stops the run, "
        "`merge` keeps the lake's rows that the source no longer has, `replace` believes the source.",
    )
    shrink_tolerance: Annotated[
        Tolerance,
        BeforeValidator(parse_tolerance),
        PlainSerializer(str, return_type=str, when_used="json"),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "pattern": TOLERANCE_PATTERN},
                    {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
                ],
                "examples": [100, "0.5%"],
            }
        ),
    ] = Field(
        default=NO_TOLERANCE,
        description="How many rows a window may lose without `on_shrink`: a number of rows, or a percentage of those "
        "that the lake holds for it.",
    )
    on_changed_values: OnChangedValues | None = Field(
        default=None,
        description="What happens when the source has as many rows for a loaded window as the lake, and other values: "
        "`load` believes the source, `report` tells of it and loads nothing by itself, `archive` takes the values that "
        "were written last from the one source of type influxdb3_parquet with the same database. Default: `report` for "
        "InfluxDB 3 Core, which shows the first value of a point again when a later one has been persisted; `load` "
        "elsewhere.",
    )
    max_window_rows: Annotated[WholeNumber, Field(ge=1)] | None = Field(
        default=None,
        description="Stop a window that turns out to hold more rows than this, before anything is committed. Default: "
        "no limit.",
    )
    adopt: YesNo = Field(
        default=False,
        description="Write to the table also when it holds the rows of another source, or rows that were not loaded by "
        "influx-lake; from then on it belongs to this source.",
    )
