"""The rate limit of a restore, in points or bytes per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit.

    Attributes:
        points: Points per second; None: unlimited.
        size: Bytes of uncompressed lines per second; None: unlimited.
    """

    points: float | None = None
    size: float | None = None


@dataclass(slots=True)
class Pace:
    """Schedules batches so that a rate is kept; threads may share it.

    Attributes:
        rate: The rate.
        clock: Returns the time in seconds.
    """

    rate: Rate
    clock: Callable[[], float] = time.monotonic
    _free_at: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def wait(self, points: int, size: int) -> float:
        """Reserve the next slot for a batch; returns the seconds to wait for it."""
        limits = ((points, self.rate.points), (size, self.rate.size))
        costs = [count / limit for count, limit in limits if limit is not None]
        if not costs:
            return 0.0
        with self._lock:
            now = self.clock()
            turn = max(now, self._free_at)
            self._free_at = turn + max(costs)
            return turn - now
