"""Runs a stream until it is stopped or has caught up; continues after transient failures."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from influx_lake.errors import LakeError
from influx_lake.sources.messages.brokers import Brokers
from influx_lake.streaming.spark_session import spark_session
from influx_lake.streaming.steps import Step
from influx_lake.streaming.stream import Stream
from influx_lake.streaming.topics import SparkTopics

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 900.0
"""How long transient failures are retried, counted from the last step that was added, in seconds."""
_LONGEST_WAIT = 60.0

log = logging.getLogger("influx_lake.streaming")


@dataclass(slots=True)
class Running:
    """Runs a stream.

    Attributes:
        stream: The stream.
        stopping: An event that stops it.
        until_now: Whether to end once the messages that exist now are added.
        accept_loss: Whether to continue where topics no longer have messages that were not added.
        tell: Receives a line for each step and for each failure that is retried.
    """

    stream: Stream
    stopping: threading.Event
    until_now: bool = False
    accept_loss: bool = False
    tell: Callable[[str], None] = lambda text: None
    _progressed: float = 0.0

    def run(self) -> None:
        """Run the stream.

        Raises:
            LakeError: A permanent failure, or one that lasted a quarter of an hour; the next run completes the messages
                that were being added.
        """
        config = self.stream.config
        name_filter = self.stream.routing.name_filter if config.unmatched == "dead_letter" else None
        brokers = Brokers(config)
        brokers.partitions()
        with spark_session(self.stream.lake.spark, f"influx-lake stream {self.stream.name}") as session:
            topics = SparkTopics(session, config, brokers, name_filter)
            self._progressed, wait = time.monotonic(), 1.0
            while not self.stopping.is_set():
                before = self._progressed
                try:
                    self._once(topics)
                    return
                except LakeError as error:
                    if not error.transient or time.monotonic() - self._progressed > PATIENCE_SECONDS:
                        raise
                    wait = 1.0 if self._progressed > before else min(_LONGEST_WAIT, wait * 2)
                    self.tell(f"! {error} (retried in {wait:g} s)")
                    self.stopping.wait(wait)

    def _once(self, topics: SparkTopics) -> None:
        stream = self.stream
        stream.open(topics, accept_loss=self.accept_loss)
        self._progressed = time.monotonic()
        starts = stream.starts(topics.partitions())
        noting = partial(stream.note_lag, topics)
        topics.follow(starts, self._add, noting, self.stopping, until_now=self.until_now)

    def _add(self, step: Step) -> None:
        began, before = time.monotonic(), self.stream.ledger
        self.stream.add(step)
        self._progressed = time.monotonic()
        now = self.stream.ledger
        if now is before:
            return
        dead = now.dead_letters - before.dead_letters
        self.tell(
            f"✓ {self.stream.name}  {now.messages - before.messages:,} messages, {now.points - before.points:,} points"
            + (f", {dead:,} dead letters" if dead else "")
            + f" in {self._progressed - began:.2f} s"
        )
