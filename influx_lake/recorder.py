"""Metrics of a process: counters and comparisons, handed to the recorder of the present context, if there is one.

Code that counts does not know the recorder: an entry point opens `recorded_by` around its work, and without it nothing
is recorded. Worker threads get the entry point's context (`contextvars.copy_context`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window


class Recorder(Protocol):
    """Receives counters and comparisons; its methods neither fail nor block."""

    def count(self, name: str, by: float, labels: dict[str, str]) -> None:
        """Increase a counter.

        Args:
            name: The name of the counter.
            by: The increase, 0 or more.
            labels: The labels of the counter.
        """
        ...

    def compared(self, table: str, window: Window, verdict: str, source_rows: int, lake_rows: int) -> None:
        """Keep the result of comparing a window with its source."""
        ...

    def loaded(self, table: str, window: Window) -> None:
        """Drop the kept comparison of a window that was loaded again."""
        ...


_recorder: ContextVar[Recorder | None] = ContextVar("influx_lake_recorder", default=None)


def recorder() -> Recorder | None:
    """The recorder of the present context; None where there is none."""
    return _recorder.get()


def count(name: str, by: float = 1.0, **labels: str) -> None:
    """Increase a counter of the present recorder, if there is one."""
    if (present := _recorder.get()) is not None:
        present.count(name, by, labels)


def count_in_class(name: str, value: float, bounds: Sequence[float], **labels: str) -> None:
    """Observe a value in a histogram of the present recorder.

    Args:
        name: The name of the histogram, without `_bucket` and `_sum`.
        value: The value.
        bounds: The upper bounds of the buckets; the last bucket is unbounded.
        labels: The labels of the histogram.
    """
    if (present := _recorder.get()) is not None:
        bound = next((f"{each:g}" for each in bounds if value <= each), "+Inf")
        present.count(f"{name}_bucket", 1.0, {**labels, "le": bound})
        present.count(f"{name}_sum", value, labels)


@contextmanager
def recorded_by(receiver: Recorder) -> Iterator[None]:
    """A context in which a recorder receives counters and comparisons."""
    token = _recorder.set(receiver)
    try:
        yield
    finally:
        _recorder.reset(token)
