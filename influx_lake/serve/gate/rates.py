"""How often a client may ask."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

BURST = 10
"""How many seconds' worth of requests may come at once."""
_CLIENTS = 10_000


class Rates:
    """A bucket for each client, which fills as time goes by; each request takes one out.

    Args:
        per_second: How fast a bucket fills.
        clock: The time, in seconds.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._full = per_second * BURST
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Take a request of a client.

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
