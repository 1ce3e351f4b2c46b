"""Messages that are added together: where they are read from, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from influx_lake.sources.messages.message import Offsets
from influx_lake.sources.messages.message_parser import Read
from influx_lake.sources.points.staged_file import Unit


@dataclass(frozen=True, slots=True)
class Step:
    """Messages that were read and taken apart, to be added together.

    Attributes:
        units: Their points, in the order in which they count.
        reads: What was read, of each partition.
        dead: Those that are no points: rows of `DEAD_LETTERS`.
    """

    units: Sequence[Unit]
    reads: Sequence[Read]
    dead: pa.Table


class Topics(Protocol):
    """Topics whose messages can be read."""

    def partitions(self) -> Mapping[str, Sequence[int]]:
        """The partitions of each topic."""
        ...

    def begins(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        """The offset of the first message of each partition that is still there."""
        ...

    def ends(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        """The offset behind the last message of each partition."""
        ...

    def between(self, begin: Offsets, end: Offsets, add: Callable[[Step], None]) -> None:
        """Read the messages between offsets, and have them added."""
        ...


def in_pieces(begin: Offsets, end: Offsets, most: int) -> Iterator[tuple[Offsets, Offsets]]:
    """The messages between offsets, in pieces of about so many."""
    at = {topic: dict(found) for topic, found in begin.items()}
    step = max(1, most // max(1, sum(map(len, at.values()))))

    def until(topic: str, each: int, place: int) -> int:
        return min(place + step, max(place, end.get(topic, {}).get(each, 0)))

    while True:
        ended = {
            topic: {each: until(topic, each, place) for each, place in found.items()} for topic, found in at.items()
        }
        if ended == at:
            return
        yield at, ended
        at = ended


def begin_of(step: Step) -> dict[str, dict[int, int]]:
    """The offset of the first of the messages, in each partition."""
    begin: dict[str, dict[int, int]] = {}
    for each in step.reads:
        known = begin.setdefault(each.topic, {})
        known[each.partition] = min(each.first, known.get(each.partition, each.first))
    return begin
