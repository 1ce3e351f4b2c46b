"""The JSON of requests and windows in responses, and the types of values in request bodies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from influx_lake.config.redaction import redacted
from influx_lake.config.values.windows import parse_moment, utc_text
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.requests.request import Request, RequestedWindow, State

PATH = "/v1/windows"


def _check_moment(text: str) -> str:
    try:
        parse_moment(text)
    except (ValueError, OverflowError):
        raise ValueError(
            "is not a date or time of ISO 8601, to the microsecond at most: write 2026-01-31 or 2026-01-31T06:00Z"
        ) from None
    return text


Moment = Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_moment)]
"""A date or time of ISO 8601; UTC where it has no zone."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The id of a request."""
Compare = Annotated[Depth, Field(strict=False)]
"""The depth of comparison. JSON has no enumerations, so the value is a string in strict bodies too."""


class WindowView(BaseModel):
    """A window of a request."""

    measurement: str = Field(description="The measurement, by its table.", examples=["telemetry.cpu"])
    window: str = Field(description="The window: `start/end`.")
    state: State
    facts: dict[str, Any] | None = Field(default=None, description="What loading it did, as `replicate --json` says.")
    error: dict[str, Any] | None = Field(default=None, description="Why it failed (RFC 9457).")

    @classmethod
    def of(cls, window: RequestedWindow) -> Self:
        """The view of a window."""
        return cls(
            measurement=window.measurement,
            window=str(window.window),
            state=window.state,
            facts=dict(window.facts) if window.facts else None,
            error=redacted(window.error),
        )


class RequestView(BaseModel):
    """A request and its progress."""

    id: str = Field(description="Names the request.")
    kind: str = Field(description="`load`, `replicate` or `verify`.")
    runner: str = Field(description="Who does it: the `service`, or runs of `dagster`.")
    state: State = Field(description="How far it is. Windows that were loaded stay, however it ends.")
    asked: dict[str, Any] = Field(description="The body of the request, without the catalog's properties.")
    canceled: bool = Field(description="Whether somebody took it back.")
    created: str
    began: str | None = None
    ended: str | None = None
    windows: dict[str, int] = Field(description="How many windows are in each state, and `total`.")
    rows: int = Field(description="The rows of the windows that were loaded.")
    result: dict[str, Any] | None = Field(default=None, description="What it came to, besides its windows.")
    error: dict[str, Any] | None = Field(default=None, description="Why it failed (RFC 9457).")
    location: str = Field(description="Where it is followed.")
    events: str = Field(description="Where it is followed by server-sent events.")

    @classmethod
    def of(cls, request: Request) -> Self:
        """The view of a request."""
        counts = {str(state): count for state, count in request.windows.items()}
        return cls(
            id=request.id,
            kind=request.kind,
            runner=request.runner,
            state=request.state,
            asked=redacted({name: value for name, value in request.body.items() if name != "catalog_configs"}),
            canceled=request.is_canceled,
            created=utc_text(request.created),
            began=_text(request.began),
            ended=_text(request.ended),
            windows={**counts, "total": sum(counts.values())},
            rows=request.rows,
            result=redacted(request.result),
            error=redacted(request.error),
            location=location_of(request),
            events=f"{location_of(request)}/events",
        )


class RequestAndWindows(RequestView):
    """A request, its progress, and its windows."""

    items: list[WindowView] = Field(description="Its windows, from the first one that was asked for.")
    next: int | None = Field(default=None, description="The number of the next window, where there are more.")


class Requests(BaseModel):
    """A list of requests."""

    requests: list[RequestView] = Field(description="Those that came last first.")
    next: str | None = Field(default=None, description="What to say as `after` for older ones, where there are more.")


class Body(BaseModel):
    """A request body in which unknown members are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


def location_of(request: Request) -> str:
    """The path under which a request is followed."""
    return f"{PATH}/{request.id}"


def _text(moment: datetime | None) -> str | None:
    return utc_text(moment) if moment else None
