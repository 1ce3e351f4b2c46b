"""Limits the load on a server from all threads of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from influx_lake.config.values.read_options import ReadingOptions


@dataclass(slots=True)
class ServerLimits:
    """Limits the queries that run, and that start in a second.

    Attributes:
        concurrent: How many may run at a time; None for any number.
        per_second: How many may start in a second; None for any number.
    """

    concurrent: int | None = None
    per_second: float | None = None
    _running: threading.BoundedSemaphore | None = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _next_start: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._running = threading.BoundedSemaphore(self.concurrent) if self.concurrent else None

    @contextmanager
    def query(self) -> Iterator[None]:
        """Wait for a slot, and hold it."""
        if self._running is None:
            self._pace()
            yield
            return
        with self._running:
            self._pace()
            yield

    def _pace(self) -> None:
        if self.per_second is None:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + 1 / self.per_second
        time.sleep(start - now)


_lock = threading.Lock()
_servers: dict[tuple[str, int | None, float | None], ServerLimits] = {}


def limits_of(server: str, options: ReadingOptions) -> ServerLimits:
    """The limits of a server: one object for all sources that read from it with the same options."""
    key = (server, options.max_concurrent_queries, options.max_queries_per_second)
    with _lock:
        return _servers.setdefault(key, ServerLimits(*key[1:]))
