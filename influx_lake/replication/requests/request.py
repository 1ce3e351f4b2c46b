"""A request for loads or a comparison, its windows, states and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from influx_lake.config.values.windows import Window


class Kind(StrEnum):
    """The kind of a request."""

    LOAD = "load"
    """Load windows of measurements."""
    REPLICATE = "replicate"
    """Load a range of one measurement, in the format of InfluxData's plugin."""
    VERIFY = "verify"
    """Compare windows with their sources."""


class Runner(StrEnum):
    """Who executes a request."""

    SERVICE = "service"
    DAGSTER = "dagster"


class State(StrEnum):
    """The state of a request, or of a window of it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether the state does not change any more."""
        return self in (State.DONE, State.FAILED, State.CANCELED)


@dataclass(frozen=True, slots=True)
class Request:
    """A request for loads or a comparison.

    Attributes:
        id: Its id: 32 hexadecimal digits.
        kind: Its kind.
        runner: Who executes it.
        body: The request's body, validated.
        state: Its state.
        created: When it was received.
        began: When work on it began.
        ended: When it ended.
        is_planned: Whether its windows are known.
        is_canceled: Whether it was canceled; windows under way are finished all the same.
        windows: The number of its windows in each state.
        rows: The number of rows of the windows that were loaded.
        result: Its result, besides the windows.
        error: Why it failed, as a problem of RFC 9457.
    """

    id: str
    kind: Kind
    runner: Runner
    body: Mapping[str, Any]
    state: State
    created: datetime
    began: datetime | None = None
    ended: datetime | None = None
    is_planned: bool = False
    is_canceled: bool = False
    windows: Mapping[State, int] = field(default_factory=dict)
    rows: int = 0
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """The run of Dagster that loads a window.

    Attributes:
        run: The run's key, which its sensor set (`dagster/run_key`).
        asset: The key of the window's asset.
        partition: The window's partition.
    """

    run: str
    asset: str
    partition: str


@dataclass(frozen=True, slots=True)
class RequestedWindow:
    """A window of a request.

    Attributes:
        number: Its index in the request.
        measurement: The measurement, by `Measurement.full_name`.
        window: The window.
        state: Its state.
        facts: The figures of its load.
        error: Why it failed, as a problem of RFC 9457.
        assigned: The run of Dagster that loads it, where one does.
    """

    number: int
    measurement: str
    window: Window
    state: State = State.WAITING
    facts: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    assigned: Assigned | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a request.

    Attributes:
        number: Its sequence number in the journal.
        name: The kind of event.
        data: The window it is about, and its figures.
    """

    number: int
    name: str
    data: Mapping[str, Any]
