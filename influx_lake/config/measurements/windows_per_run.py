"""The option `windows_per_run`: how many windows of a measurement one run loads."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from influx_lake.config.values.units import WholeNumber
from influx_lake.config.values.windows import Every

WINDOWS_PER_RUN = {Every.HOUR: 48, Every.DAY: 30, Every.WEEK: 8, Every.MONTH: 3}
"""The default number of windows of a run. A run takes seconds to start, and one that is killed keeps its finished
windows.
"""

ALL_WINDOWS = 1_000_000
"""More windows than any history has: a single run loads all."""
_MOST = 10_000


def _read_windows(value: Any) -> Any:
    return ALL_WINDOWS if value == "all" else value


def _check_windows(value: int) -> int:
    if not (1 <= value <= _MOST or value == ALL_WINDOWS):
        raise ValueError(f"must be a whole number from 1 to {_MOST}, or `all`")
    return value


WindowsPerRun = Annotated[
    WholeNumber,
    BeforeValidator(_read_windows),
    AfterValidator(_check_windows),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": _MOST}, {"const": "all"}]}),
]


class ChunkOptions(BaseModel):
    """How a long history is cut into runs."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    windows_per_run: WindowsPerRun | None = Field(
        default=None,
        description="How many windows one run loads at most, each in a commit of its own, in backfills and when missed "
        "windows are caught up; `all` for a single run, which `--partition-range` of Dagster's command line asks for. "
        f"Default: {', '.join(f'{n} of a {every}' for every, n in WINDOWS_PER_RUN.items())}.",
    )


def windows_per_run(options: ChunkOptions, every: Every) -> int:
    """The number of windows of a given length that one run loads."""
    return options.windows_per_run or WINDOWS_PER_RUN[every]
