"""How the columns of a measurement become columns of its table: names, types, times."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from influx_lake.config.column_names import ColumnNames
from influx_lake.config.columns import TIME


class Nanoseconds(StrEnum):
    """What happens to times finer than a microsecond, which is what an Iceberg time holds."""

    KEEP = "keep"
    TRUNCATE = "truncate"
    REFUSE = "refuse"


class Unsigned(StrEnum):
    """The type of unsigned integers, which reach beyond Iceberg's."""

    DECIMAL = "decimal"
    LONG = "long"
    REFUSE = "refuse"


class TimeType(StrEnum):
    """The Iceberg type of the time column."""

    TIMESTAMPTZ = "timestamptz"
    TIMESTAMP = "timestamp"


def _not_the_time(name: str) -> str:
    if name == TIME:
        raise ValueError("is the name of the time itself: give the column another one, such as time_ns")
    return name


class TypeOptions(BaseModel):
    """How the columns of a measurement become columns of its table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nanoseconds: Nanoseconds = Field(
        default=Nanoseconds.KEEP,
        description="What happens to times finer than a microsecond: `keep` adds a column that holds them whole when "
        "the first of them comes, `truncate` cuts them down, `refuse` stops the run.",
    )
    nanoseconds_column: Annotated[str, Field(min_length=1), AfterValidator(_not_the_time)] = Field(
        default="time_ns", description="The column that `nanoseconds: keep` adds: nanoseconds since 1970, a long."
    )
    unsigned: Unsigned = Field(
        default=Unsigned.DECIMAL,
        description="The type of unsigned integers: `decimal` is decimal(20, 0) and holds all of them, `long` stops "
        "the run where one is too large, `refuse` stops it where there are any.",
    )
    time_type: TimeType = Field(
        default=TimeType.TIMESTAMPTZ,
        description="The Iceberg type of the time: `timestamptz`, or `timestamp`, which names no zone and holds UTC.",
    )
    column_names: ColumnNames = Field(
        default=ColumnNames.KEEP,
        description="What columns are called in the table: `keep` as in InfluxDB, `lower` in lower case, `snake` as "
        "cpu_usage for cpuUsage or CPU usage. Two columns that would get one name stop the run.",
    )


def type_options(options: TypeOptions) -> TypeOptions:
    """Only these options, of a model that has more."""
    return TypeOptions(**{name: getattr(options, name) for name in TypeOptions.model_fields})
