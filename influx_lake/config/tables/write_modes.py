"""The options `write.mode`, `write.key` and `write.publish`: how a window's rows are written and made visible."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.read_options import PositiveDuration
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.units import YesNo
from influx_lake.config.values.validated_names import Text


def _check_key(columns: tuple[str, ...]) -> tuple[str, ...]:
    if TIME in columns:
        raise ValueError(f"names `{TIME}`, which is part of every key: leave it out")
    return columns


class WriteMode(StrEnum):
    """What a load does with the rows that the table holds for its window."""

    REPLACE = "replace"
    APPEND = "append"
    UPSERT = "upsert"


class Publish(StrEnum):
    """When readers of the table get a window that was loaded."""

    AT_ONCE = "at_once"
    AFTER_CHECKS = "after_checks"


class ModeOptions(BaseModel):
    """What a load does with the rows that the table holds for its window."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    mode: WriteMode = Field(
        default=WriteMode.REPLACE,
        description="`replace` makes the window's rows exactly the source's; `append` adds what was not loaded yet and "
        "touches nothing else; `upsert` adds new points, gives points that are there their new values, and keeps the "
        "others.",
    )
    key: Annotated[tuple[Text, ...], Distinct(), AfterValidator(_check_key)] = Field(
        default=(),
        description="The columns that, with the time, tell points apart for `mode: upsert` and `on_shrink: merge`. "
        "Points of the source that it does not tell apart stop the run. Default: the tags.",
        examples=[["host", "region"]],
    )
    merge_fields: YesNo = Field(
        default=False,
        description="With `mode: upsert`: a field that is null in the source keeps the value it has in the table, as "
        "InfluxDB does when a point is written twice.",
    )
    publish: Publish = Field(
        default=Publish.AT_ONCE,
        description="When readers get a window: `at_once`, with its commit; `after_checks` loads it to a branch, does "
        "the `blocking` checks and the rules of `checks.values` there, and makes it visible in one commit once they "
        "passed.",
    )
    commit_timeout: PositiveDuration = Field(
        default=timedelta(minutes=10),
        description="How long a commit is tried again while other writers are first or the catalog fails.",
    )
