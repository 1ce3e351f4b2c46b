"""How fast points are sent at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: points or bytes in a second.

    Attributes:
        points: How many points; None: no limit.
        size: How many bytes of lines before they are packed; None: no limit.
    """

    points: float | None = None
    size: float | None = None


@dataclass(slots=True)
class Pace:
    """Has batches wait for each other, so that a second has no more than a rate allows; threads may share it.

    Attributes:
        rate: The rate.
        clock: Tells seconds.
    """

    rate: Rate
    clock: Callable[[], float] = time.monotonic
    _free_at: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def wait(self, points: int, size: int) -> float:
        """Take a turn for a batch: how many seconds it has to wait."""
        limits = ((points, self.rate.points), (size, self.rate.size))
        costs = [count / limit for count, limit in limits if limit is not None]
        if not costs:
            return 0.0
        with self._lock:
            now = self.clock()
            turn = max(now, self._free_at)
            self._free_at = turn + max(costs)
            return turn - now
