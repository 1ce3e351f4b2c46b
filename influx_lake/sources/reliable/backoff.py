"""Waits between retries: increasing, random, and limited."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from influx_lake import recorder
from influx_lake.config.values.read_options import RetryOptions
from influx_lake.errors import TransientSourceError

T = TypeVar("T")

log = logging.getLogger("influx_lake.sources")


@dataclass(slots=True)
class Backoff:
    """The waits of one failing request, with full jitter: each is a random part of a bound that doubles.

    Attributes:
        options: The bounds, and the limit for all waits.
        sleep: Waits for some seconds.
        clock: Returns seconds.
    """

    options: RetryOptions
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    failures: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)

    def progressed(self) -> None:
        """Reset: the server has delivered data."""
        self.failures = 0

    def failed(self) -> None:
        """Count a failure; the first one starts the budget."""
        if not self.failures:
            self._since = self.clock()
        self.failures += 1

    def wait(self, error: TransientSourceError) -> None:
        """Wait before the next try.

        Raises:
            TransientSourceError: The error, if there is no time left for another try.
        """
        now = self.clock()
        self.failed()
        left = self._since + self.options.budget.total_seconds() - now
        asked = error.retry_after.total_seconds() if error.retry_after else 0.0
        wait = max(self._drawn(), asked)
        if wait > left:
            self._tell(error)
            raise error
        recorder.count("source_retries", reason=type(error).__name__)
        log.warning("%s (try %d failed, the next in %.1f s)", error, self.failures, wait)
        self.sleep(wait)

    def _drawn(self) -> float:
        bound = self.options.first_wait.total_seconds() * 2 ** min(self.failures - 1, 32)
        return random.uniform(0, min(bound, self.options.longest_wait.total_seconds()))

    def _tell(self, error: TransientSourceError) -> None:
        if self.failures > 1:
            budget = self.options.budget.total_seconds()
            error.message += f" (tried {self.failures} times; retry.budget: {budget:g} s)"


def retried(call: Callable[[], T], options: RetryOptions) -> T:
    """The result of a request, retried while its failures are transient.

    Raises:
        SourceError: It failed permanently, or for longer than the budget.
    """
    backoff = Backoff(options)
    while True:
        try:
            return call()
        except TransientSourceError as error:
            backoff.wait(error)
