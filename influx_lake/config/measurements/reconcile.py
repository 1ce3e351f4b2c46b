"""The option `reconcile`: how often and how far back lake and source are compared."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.on_off import OnOff
from influx_lake.config.values.units import Duration, YesNo

SHORTEST_EVERY = timedelta(minutes=1)


def _not_too_often(value: timedelta) -> timedelta:
    if value < SHORTEST_EVERY:
        raise ValueError("is too often: each comparison is a query on the source, so give 1m or more")
    return value


def _some_time(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("is no time at all: say how far back to look, such as 7d, or `reconcile: off`")
    return value


class ReconcileOptions(BaseModel):
    """How often, and how far back, the lake is compared with its source."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    within: Annotated[Duration, AfterValidator(_some_time)] = Field(
        default=timedelta(days=7), description="How far back late and changed points are looked for."
    )
    every: Annotated[Duration, AfterValidator(_not_too_often)] = Field(
        default=timedelta(minutes=15), description="How often."
    )
    profile: YesNo = Field(
        default=False,
        description="Compare the values too, by count, minimum, maximum and sum of each column, and not only the "
        "numbers of rows: finds points that changed. Both sides read all columns for it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.every > self.within:
            raise contradiction("is longer than `within`: the time between two looks would never be looked at", "every")
        return self


Reconciling = Annotated[ReconcileOptions | None, OnOff()]
"""The option; None: off."""
