"""Options of reading a source: retries, query splitting, parallelism."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.units import Duration, Number, WholeNumber, YesNo


def _above_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("is no time at all: give a length of time above 0")
    return value


PositiveDuration = Annotated[Duration, AfterValidator(_above_zero)]


class RetryOptions(BaseModel):
    """How a request is tried again whose failure can pass: no connection, no answer in time, 429, 5xx, a broken stream.

    What cannot pass (a wrong token or query, a database that is not there) is never tried again.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    budget: Duration = Field(
        default=timedelta(minutes=1),
        description="How long a server may fail in a row before the load fails; rows that arrive start it anew. 0: do "
        "not try again.",
    )
    first_wait: PositiveDuration = Field(
        default=timedelta(milliseconds=500),
        description="The wait before the second try is a random part of this, and twice as long for each further try. "
        "A server's Retry-After is respected where it is longer.",
    )
    longest_wait: PositiveDuration = Field(default=timedelta(seconds=20), description="The waits grow no longer.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.first_wait > self.longest_wait:
            raise contradiction("is longer than longest_wait: give a shorter one", "first_wait")
        return self


class ReadingOptions(BaseModel):
    """How a source is read, whatever it is."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    retry: Annotated[RetryOptions, BeforeValidator(lambda value: {} if value is None else value)] = Field(
        default=RetryOptions(), description="How requests are tried again whose failure can pass."
    )
    longest_query: PositiveDuration | None = Field(
        default=None,
        description="Ask for no more than this much time in one query: longer windows are read in pieces, into one "
        "commit. Default: whole windows, in pieces where the server fails on them.",
    )
    shortest_query: PositiveDuration = Field(
        default=timedelta(minutes=1),
        description="A query that is too large for the server (its file limit, a timeout) is split in two, but not "
        "below this.",
    )
    confirm_rows: YesNo = Field(
        default=True,
        description="Ask the server for the number of rows after reading them, and read again when they differ.",
    )
    max_concurrent_queries: WholeNumber | None = Field(
        default=None, ge=1, description="How many queries one process has running on the server at a time."
    )
    max_queries_per_second: Number | None = Field(
        default=None, gt=0, le=1_000_000, description="How many queries one process starts on the server in a second."
    )

    @model_validator(mode="after")
    def _check_pieces(self) -> Self:
        if self.longest_query is not None and self.longest_query < self.shortest_query:
            raise contradiction(
                "is shorter than shortest_query: give a longer one, or lower shortest_query", "longest_query"
            )
        return self
