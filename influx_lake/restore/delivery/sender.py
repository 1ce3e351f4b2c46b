"""Sends batches to a server concurrently, with retries, and records each acknowledged one in the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from influx_lake.config.values.read_options import RetryOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import SourceUnavailable, TransientSourceError
from influx_lake.restore.delivery.batch import Batch, Refused
from influx_lake.restore.delivery.journal import Journal
from influx_lake.restore.delivery.rate_limit import Pace
from influx_lake.restore.delivery.refused_points import Answer, Send, deliver
from influx_lake.sources.reliable.backoff import Backoff


class Stopped(SourceUnavailable):
    """Sending was aborted because another batch failed or the command was stopped."""


@dataclass
class Sender:
    """Sends batches concurrently; transient failures are retried.

    Attributes:
        send: Sends lines once.
        retry: The retry policy.
        journal: The journal of acknowledged points.
        pace: The rate limit.
        concurrency: The most batches under way at once.
        on_acknowledged: Called with each acknowledged batch, and the points of it that were refused.
        on_close: Closes the connections.
    """

    send: Send
    retry: RetryOptions
    journal: Journal
    pace: Pace
    concurrency: int
    on_acknowledged: Callable[[Batch, tuple[Refused, ...]], None] = lambda batch, refused: None
    on_close: Callable[[], None] = lambda: None
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _under_way: set[Future[None]] = field(default_factory=set, init=False)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _failure: BaseException | None = field(default=None, init=False)
    _answered: int = field(default=0, init=False)

    def take(self, batch: Batch) -> None:
        """Send a batch; waits while `concurrency` batches are under way.

        Raises:
            LakeError: An earlier batch failed for good.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="restore")
        self._settle(self.concurrency)
        self._under_way.add(self._pool.submit(self._delivered, batch))

    def finish(self, window: Window) -> None:
        """Does nothing: a server needs no end of a window."""

    def drain(self) -> None:
        """Wait until every batch is acknowledged.

        Raises:
            LakeError: A batch failed for good.
        """
        self._settle(0)

    def close(self) -> None:
        """Abort: nothing more is sent; what the server has acknowledged by now is recorded."""
        self._stop.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self.on_close()

    def _settle(self, most: int) -> None:
        """Wait until at most some number of batches are under way."""
        while len(self._under_way) > max(0, most):
            done, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
            for each in done:
                if (error := each.exception()) is not None:
                    raise self._failure or error

    def _delivered(self, batch: Batch) -> None:
        try:
            refused = (*batch.refused, *deliver(batch, self._sent))
        except BaseException as error:
            # The others were aborted because of this error, so it is the one to raise.
            if self._failure is None and not isinstance(error, Stopped):
                self._failure = error
            self._stop.set()
            raise
        refused = tuple(sorted(refused, key=lambda each: each.place))
        self.journal.acknowledge(batch, refused)
        self.on_acknowledged(batch, refused)

    def _sent(self, batch: Batch) -> Answer | None:
        backoff, answered = Backoff(self.retry, sleep=self._sleep), self._answered
        while True:
            self._sleep(self.pace.wait(len(batch), len(batch.body)))
            try:
                answer = self.send(batch)
            except TransientSourceError as error:
                if answered != self._answered:
                    # The server took another batch meanwhile, so failures are not consecutive.
                    backoff.progressed()
                    answered = self._answered
                backoff.wait(error)
            else:
                self._answered += 1
                return answer

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped("sending was given up", remedy="Run it again: what was acknowledged is kept")
