"""The option `retention`: how long rows are kept."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from influx_lake.config.values.on_off import OnOff
from influx_lake.config.values.units import DURATION_PATTERN, Duration

DAYS_OF_A_YEAR = 365
_YEARS = re.compile(r"\s*([1-9][0-9]{0,2})\s*y\s*")


def _read_years(value: Any) -> Any:
    years = _YEARS.fullmatch(value) if isinstance(value, str) else None
    return f"{int(years[1]) * DAYS_OF_A_YEAR}d" if years else value


LongDuration = Annotated[
    Duration,
    BeforeValidator(_read_years),
    WithJsonSchema(
        {"type": "string", "pattern": rf"{DURATION_PATTERN}|^\s*[1-9][0-9]{{0,2}}\s*y\s*$", "examples": ["3y", "90d"]}
    ),
]
"""A duration with units, which include years of 365 days."""


class RetentionOptions(BaseModel):
    """How long rows are kept."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    keep: Annotated[LongDuration, Field(ge=timedelta(hours=1))] = Field(
        description="How long rows are kept, by their time. A year is 365 days.", examples=["3y", "90d"]
    )
    most_per_run: Annotated[LongDuration, Field(ge=timedelta(hours=1))] = Field(
        default=timedelta(days=31),
        description="How much time may be dropped at once: where it is more, nothing is, for `keep` may be a slip.",
    )


Retained = Annotated[RetentionOptions | None, OnOff()]
"""The option; None: for ever."""
