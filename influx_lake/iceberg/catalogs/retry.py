"""Retries with exponential backoff and full jitter, until a deadline."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextvars import ContextVar

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def seconds_left() -> float:
    """How long what is being tried may take; without end where nothing is tried again."""
    return _deadline.get() - time.monotonic()


def tries(deadline: float) -> Iterator[int]:
    """Count tries from 0, pausing between them (full jitter), until the next would come after the deadline.

    Args:
        deadline: A moment of `time.monotonic()`.
    """
    number = 0
    while True:
        outer = _deadline.get()
        _deadline.set(min(outer, deadline))
        try:
            yield number
        finally:
            _deadline.set(outer)
        pause = random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(number, 10)))
        if time.monotonic() + pause > deadline:
            return
        time.sleep(pause)
        number += 1
