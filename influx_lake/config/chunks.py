"""How much of a measurement one run takes on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.windows import Every

WINDOWS_PER_RUN = {Every.HOUR: 48, Every.DAY: 30, Every.WEEK: 8, Every.MONTH: 3}
"""How many windows a run loads where nothing is said. A run takes seconds to start, and a run that is killed keeps the
windows it finished."""


class ChunkOptions(BaseModel):
    """How a long history is cut into runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows_per_run: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="How many windows one run loads at most, each in a commit of its own, in backfills and when missed "
        f"windows are caught up. Default: {', '.join(f'{n} of a {every}' for every, n in WINDOWS_PER_RUN.items())}.",
    )


def windows_per_run(options: ChunkOptions, every: Every) -> int:
    """How many windows of a cadence one run loads."""
    return options.windows_per_run or WINDOWS_PER_RUN[every]
