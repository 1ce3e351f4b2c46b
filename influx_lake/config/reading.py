"""How a source is read: how long it is tried again, in which pieces, and how much of it at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from influx_lake.config.quantities import Duration


def _above_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("is no time at all: give a length of time above 0")
    return value


PositiveDuration = Annotated[Duration, AfterValidator(_above_zero)]


class RetryOptions(BaseModel):
    """How a request is tried again whose failure can pass: no connection, no answer in time, 429, 5xx, a broken stream.

    What cannot pass (a wrong token or query, a database that is not there) is never tried again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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


class ReadingOptions(BaseModel):
    """How a source is read, whatever it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

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
    confirm_rows: bool = Field(
        default=True,
        description="Ask the server for the number of rows after reading them, and read again when they differ.",
    )
    max_concurrent_queries: int | None = Field(
        default=None, ge=1, description="How many queries one process has running on the server at a time."
    )
    max_queries_per_second: float | None = Field(
        default=None, gt=0, description="How many queries one process starts on the server in a second."
    )
