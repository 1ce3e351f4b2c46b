"""Rate limits: a token bucket for each client."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

BURST = 10
"""The capacity of a bucket, in seconds' worth of requests."""
_CLIENTS = 10_000


class Rates:
    """The token buckets of all clients; each request takes a token.

    Args:
        per_second: The tokens added to a bucket each second.
        clock: Returns the time in seconds.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._full = per_second * BURST
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Take a token from a client's bucket.

        Returns:
            0 where it may be answered; else after how many seconds one may be.
        """
        now = self._clock()
        left, seen = self._buckets.pop(client, (self._full, now))
        left = min(self._full, left + (now - seen) * self._per_second)
        taken = left >= 1
        self._buckets[client] = (left - 1 if taken else left, now)
        while len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) / self._per_second))
