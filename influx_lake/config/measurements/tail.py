"""The option `tail`: how often the open window is loaded."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from influx_lake.config.values.on_off import OnOff
from influx_lake.config.values.units import Duration

SHORTEST_EVERY = timedelta(seconds=5)
DEFAULT_LAG = timedelta(seconds=30)
"""The default lag of a tail, unless the measurement's own is shorter."""


def _not_too_often(value: timedelta) -> timedelta:
    if value < SHORTEST_EVERY:
        raise ValueError("is too often: Dagster's daemon looks at its sensors every few seconds, so give 5s or more")
    return value


class TailOptions(BaseModel):
    """How often, and how far, the open window is loaded."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    every: Annotated[Duration, AfterValidator(_not_too_often)] = Field(
        default=timedelta(minutes=1), description="How often the new points of the open window are added to the table."
    )
    lag: Duration | None = Field(
        default=None,
        description="How far a tail stays behind the present: time for points to arrive. What is later is found when "
        "the window is sealed. Default: 30s, or the measurement's `lag` where that is shorter.",
    )


Tailing = Annotated[TailOptions | None, OnOff()]
"""The option; None: off."""
