"""Options that map columns to the table's: names, types, nanoseconds, unsigned integers."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from influx_lake.config.values.column_names import ColumnNames
from influx_lake.config.values.source_schema import TIME


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


class OnTypeConflict(StrEnum):
    """What happens to a column that has another type in the table."""

    FAIL = "fail"
    NEW_COLUMN = "new_column"
    QUARANTINE = "quarantine"


class RenamedColumns(StrEnum):
    """What happens to a column that others renamed in the table."""

    FOLLOW = "follow"
    REFUSE = "refuse"


class TimeType(StrEnum):
    """The Iceberg type of the time column."""

    TIMESTAMPTZ = "timestamptz"
    TIMESTAMP = "timestamp"


_TYPE = re.compile(
    r"boolean|int|long|float|double|string|date|timestamptz|timestamp|decimal\((?P<digits>\d+), ?(?P<scale>\d+)\)"
)


def _iceberg_type(value: str) -> str:
    found = _TYPE.fullmatch(value)
    if found is None:
        raise ValueError(
            "is not one of boolean, int, long, float, double, string, date, timestamptz, timestamp and "
            "decimal(precision, scale)"
        )
    if found["digits"] is None:
        return value
    digits, scale = int(found["digits"]), int(found["scale"])
    if not 1 <= digits <= 38 or scale > digits:
        raise ValueError("is not a decimal: its precision is 1 to 38, and its scale no more than that")
    return f"decimal({digits}, {scale})"


def _no_time_among(types: dict[str, str]) -> dict[str, str]:
    if TIME in types:
        raise ValueError(f"cannot say the type of `{TIME}`: that is what time_type is for")
    return types


def _not_the_time(name: str) -> str:
    if name == TIME:
        raise ValueError("is the name of the time itself: give the column another one, such as time_ns")
    return name


class TypeOptions(BaseModel):
    """How the columns of a measurement become columns of its table."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

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
    types: Annotated[dict[str, Annotated[str, AfterValidator(_iceberg_type)]], AfterValidator(_no_time_among)] = Field(
        default_factory=dict,
        description="Iceberg types for columns, by their names in InfluxDB or in the table: boolean, int, long, float, "
        "double, string, decimal(precision, scale), and of texts date, timestamptz and timestamp. `on_cast_error` says "
        "what happens to a value that the type cannot hold exactly.",
        examples=[{"count": "long", "price": "decimal(12, 2)"}],
    )
    on_type_conflict: OnTypeConflict = Field(
        default=OnTypeConflict.FAIL,
        description="What happens to a column whose type the table's column cannot hold: `fail` stops the run, "
        "`new_column` writes `value__string` beside `value`, `quarantine` sends the rows that have a value in it to "
        "the table's own `__quarantine` table.",
    )
    renamed_columns: RenamedColumns = Field(
        default=RenamedColumns.FOLLOW,
        description="What happens where other tools renamed a column of the table: `follow` goes on filling it under "
        "its new name, while lake.yaml calls it as before; `refuse` stops the run, with both names.",
    )


def type_options(options: TypeOptions) -> TypeOptions:
    """These options of a larger model."""
    return TypeOptions(**{name: getattr(options, name) for name in TypeOptions.model_fields})
