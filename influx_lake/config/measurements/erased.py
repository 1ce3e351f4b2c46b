"""The option `erased`: rows that were erased and must not be loaded again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.sql_expression import check_row_filter
from influx_lake.config.values.timestamps import Moment
from influx_lake.config.values.validated_names import Text
from influx_lake.config.values.windows import EPOCH, MICROSECOND, utc_text


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class ErasedRows(BaseModel):
    """Some rows of a measurement: those of a time for which a condition is true."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    where: Annotated[Text, AfterValidator(check_row_filter)] | None = Field(
        default=None,
        description="Which rows: a SQL condition (DuckDB) over the columns as the table names them. Default: all.",
        examples=["host = 'a'"],
    )
    start: Annotated[Moment | None, AfterValidator(_in_utc)] = Field(
        default=None, description="From this time on, in UTC where no zone is said. Default: from the first."
    )
    end: Annotated[Moment | None, AfterValidator(_in_utc)] = Field(
        default=None, description="Before this time. Default: to the last, those included that are yet to come."
    )

    @model_validator(mode="after")
    def _is_of_some(self) -> ErasedRows:
        if self.where is None and self.start is None and self.end is None:
            raise ValueError("names no rows: give `where`, `start` or `end`")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise contradiction(f"is not before `end` ({utc_text(self.end)})", "start")
        return self

    def __str__(self) -> str:
        parts = [f"where {self.where}"] if self.where else []
        parts += [f"from {utc_text(self.start)}"] if self.start else []
        parts += [f"to {utc_text(self.end)}"] if self.end else []
        return " ".join(parts)

    def condition(self, time_column: str) -> str:
        """The SQL condition of these rows.

        Args:
            time_column: The name of the time column.
        """
        time = f'epoch_us("{time_column.replace(chr(34), chr(34) * 2)}")'
        parts = [f"({self.where})"] if self.where else []
        parts += [f"{time} >= {_microseconds(self.start)}"] if self.start else []
        parts += [f"{time} < {_microseconds(self.end)}"] if self.end else []
        return " AND ".join(parts)


def wanted_rows(where: str | None, erased: Sequence[ErasedRows], time_column: str) -> str | None:
    """The SQL condition of the rows to store; None: all.

    Args:
        where: The option `where`.
        erased: The erased rows. A row for which the condition is null is not among them.
        time_column: The name of the time column.
    """
    parts = [f"({where})"] if where and erased else [where] if where else []
    parts += [f"coalesce(NOT ({each.condition(time_column)}), true)" for each in erased]
    return " AND ".join(parts) or None


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND
