"""What somebody asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from influx_lake.config.values.windows import Window


class Kind(StrEnum):
    """What is asked for."""

    LOAD = "load"
    """Windows of measurements."""
    REPLICATE = "replicate"
    """A range of one measurement, in the words of InfluxData's plugin."""
    VERIFY = "verify"
    """A comparison of windows with their sources."""


class Runner(StrEnum):
    """Who does it."""

    SERVICE = "service"
    DAGSTER = "dagster"


class State(StrEnum):
    """How far a request, or a window of it, is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of it."""
        return self in (State.DONE, State.FAILED, State.CANCELED)


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked for.

    Attributes:
        id: Names it: 32 hexadecimal digits.
        kind: What is asked for.
        runner: Who does it.
        body: What was said, checked.
        state: How far it is.
        created: When it was asked for.
        began: When work on it began.
        ended: When it ended.
        is_planned: Whether its windows are known.
        is_canceled: Whether somebody took it back; windows under way are finished all the same.
        windows: How many windows are in each state.
        rows: The rows of those that were loaded.
        result: What it came to, besides its windows.
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
    """Which run of Dagster loads a window.

    Attributes:
        run: The run's key, which its sensor gave it (`dagster/run_key`).
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
        number: Its place in the request.
        measurement: The measurement, by `Measurement.full_name`.
        window: The window.
        state: How far it is.
        facts: What loading it did.
        error: Why it failed, as a problem of RFC 9457.
        assigned: Which run of Dagster loads it, where one does.
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
    """Something that happened to a request.

    Attributes:
        number: Its place among all events of a journal.
        name: What happened.
        data: Of what, and what is known of it.
    """

    number: int
    name: str
    data: Mapping[str, Any]
