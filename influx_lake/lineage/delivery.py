"""Delivers lineage events in order, in a thread beside the loads, since receivers may be slow or down."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

from influx_lake import recorder
from influx_lake.config.redaction import redact

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent

MOST_WAITING = 10_000
"""The most events in the queue, a few kilobytes each."""
LAST_WAIT_SECONDS = 20.0
"""How long the end of a command or run waits for undelivered events, in seconds."""
PAUSE_SECONDS = 30.0
"""The pause after a failure, in seconds: each attempt may take the transport's timeout and retries."""

log = logging.getLogger("influx_lake.lineage")


class _Failures(logging.Handler):
    """A log handler for failures that OpenLineage's transports only log: Kafka's, and those of one of several."""

    def __init__(self, lose: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._lose = lose

    def emit(self, record: logging.LogRecord) -> None:
        self._lose(record.getMessage())


@contextmanager
def _failures_reported_to(lose: Callable[[str], None]) -> Iterator[None]:
    loggers = [logging.getLogger(f"openlineage.client.transport.{name}") for name in ("kafka", "composite")]
    handler = _Failures(lose)
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)


class Delivery:
    """A thread that sends events. Its failures never fail a load; undelivered events are counted and reported.

    Args:
        connect: Creates the client.
        place: The receiver, for messages.
    """

    def __init__(self, connect: Callable[[], OpenLineageClient], place: str) -> None:
        self._connect = connect
        self._place = place
        self._waiting: Queue[RunEvent | None] = Queue(MOST_WAITING)
        self._lost = 0
        self._paused_until = 0.0
        self._client: OpenLineageClient | None = None
        context = copy_context()
        # A daemon thread: a hanging transport must not keep the process alive.
        self._thread = threading.Thread(target=lambda: context.run(self._work), name="lineage", daemon=True)
        self._thread.start()

    def send(self, event: RunEvent) -> None:
        """Queue an event."""
        try:
            self._waiting.put_nowait(event)
        except Full:
            self.lose("too many wait to be delivered")

    def lose(self, why: str) -> None:
        """Count an event that is not delivered; the first one is reported at once."""
        recorder.count("lineage_failures")
        if not self._lost:
            log.warning("a lineage event was not delivered to %s: %s (loads go on)", self._place, redact(why))
        self._lost += 1

    def close(self) -> None:
        """Wait for the queued events, up to `LAST_WAIT_SECONDS`."""
        with contextlib.suppress(Full):
            self._waiting.put(None, timeout=LAST_WAIT_SECONDS)
        self._thread.join(LAST_WAIT_SECONDS)
        if self._thread.is_alive():
            self.lose("there was no answer in time")
            while not self._waiting.empty():
                try:
                    left = self._waiting.get_nowait()
                except Empty:
                    break
                if left is not None:
                    self.lose("it took too long")
        if self._lost > 1:
            log.warning("%d lineage events were not delivered to %s", self._lost, self._place)

    def _work(self) -> None:
        with _failures_reported_to(self.lose):
            self._send_all()

    def _send_all(self) -> None:
        while (event := self._waiting.get()) is not None:
            if time.monotonic() < self._paused_until:
                self.lose("it failed a moment ago")
                continue
            try:
                self._client = self._client or self._connect()
                self._client.emit(event)
            except Exception as error:
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                self.lose(f"{type(error).__name__}: {error}")
        try:
            if self._client is not None and not self._client.close(LAST_WAIT_SECONDS):
                self.lose("there was no answer in time")
        except Exception as error:
            self.lose(f"{type(error).__name__}: {error}")
