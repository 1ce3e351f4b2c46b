"""Who is told, in passing, what a process does: how often it tries, how long it waits, what it finds to differ.

What is done knows no one who counts it. A door opens `recorded_by` around its work; without one, nobody is told.
Threads that work for a door get its context (`contextvars.copy_context`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window


class Recorder(Protocol):
    """Takes what a process does. It neither fails nor waits."""

    def count(self, name: str, by: float, labels: dict[str, str]) -> None:
        """Add to a counter.

        Args:
            name: What is counted.
            by: How much is added, 0 or more.
            labels: What tells this counter from others of its name.
        """
        ...

    def compared(self, table: str, window: Window, verdict: str, source_rows: int, lake_rows: int) -> None:
        """Keep what a comparison of a window with its source came to."""
        ...

    def loaded(self, table: str, window: Window) -> None:
        """Forget what was found of a window that was loaded anew."""
        ...


_recorder: ContextVar[Recorder | None] = ContextVar("influx_lake_recorder", default=None)


def recorder() -> Recorder | None:
    """Who is told; None where nobody is."""
    return _recorder.get()


def count(name: str, by: float = 1.0, **labels: str) -> None:
    """Add to a counter of whoever counts."""
    if (told := _recorder.get()) is not None:
        told.count(name, by, labels)


def count_in_class(name: str, value: float, bounds: Sequence[float], **labels: str) -> None:
    """Count a value in the first class that it fits into, and add it to the sum of all: a histogram.

    Args:
        name: What is counted, without `_bucket` and `_sum`.
        value: The value.
        bounds: The classes: up to each of these; the last one has no bound.
        labels: What tells it from others of its name.
    """
    if (told := _recorder.get()) is not None:
        bound = next((f"{each:g}" for each in bounds if value <= each), "+Inf")
        told.count(f"{name}_bucket", 1.0, {**labels, "le": bound})
        told.count(f"{name}_sum", value, labels)


@contextmanager
def recorded_by(told: Recorder) -> Iterator[None]:
    """Tell a recorder what is done in the context."""
    token = _recorder.set(told)
    try:
        yield
    finally:
        _recorder.reset(token)
