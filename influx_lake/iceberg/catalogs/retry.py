"""Retries with exponential backoff and full jitter, until a deadline."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextvars import ContextVar

from tenacity import Retrying, retry_always, stop_before_delay, wait_random_exponential

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def seconds_left() -> float:
    """The time left to the current attempts, in seconds; infinite outside of `retry_attempts`."""
    return _deadline.get() - time.monotonic()


def retry_attempts(deadline: float) -> Iterator[int]:
    """Yield attempt numbers from 0, pausing between them (full jitter), until the next would start after the deadline.

    Args:
        deadline: In seconds of `time.monotonic()`.
    """
    retrying = Retrying(
        retry=retry_always,
        stop=stop_before_delay(deadline - time.monotonic()),
        wait=wait_random_exponential(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS),
        retry_error_callback=lambda state: None,
    )
    for number, attempt in enumerate(retrying):
        outer = _deadline.get()
        _deadline.set(min(outer, deadline))
        try:
            yield number
        finally:
            _deadline.set(outer)
        attempt.retry_state.set_result(None)
