"""Trying again: at times that do not meet those of others, and not for ever."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


def tries(deadline: float) -> Iterator[int]:
    """Count tries from 0, pausing between them (full jitter), until the next would come after the deadline.

    Args:
        deadline: A moment of `time.monotonic()`.
    """
    number = 0
    while True:
        yield number
        pause = random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(number, 10)))
        if time.monotonic() + pause > deadline:
            return
        time.sleep(pause)
        number += 1
