"""A step of a stream: messages that are read and added together."""

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
    """Parsed messages to add together.

    Attributes:
        units: Their points, in the order in which they count.
        reads: The messages read from each partition.
        dead: The messages that are not points: rows of `DEAD_LETTERS`.
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
        """The offset of the first message that each partition still has."""
        ...

    def ends(self, partitions: Mapping[str, Sequence[int]]) -> Offsets:
        """The offset after the last message of each partition."""
        ...

    def ids(self) -> Mapping[str, str]:
        """The IDs of the topics that have one; an ID changes if a topic is deleted and created again."""
        ...

    def between(self, begin: Offsets, end: Offsets, add: Callable[[Step], None]) -> None:
        """Read the messages between offsets, and pass them to `add`."""
        ...


def in_pieces(begin: Offsets, end: Offsets, most: int) -> Iterator[tuple[Offsets, Offsets]]:
    """Cut a range of offsets into pieces of about a given number of messages."""
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
    """The offset of the first message of a step, in each partition."""
    begin: dict[str, dict[int, int]] = {}
    for each in step.reads:
        known = begin.setdefault(each.topic, {})
        known[each.partition] = min(each.first, known.get(each.partition, each.first))
    return begin
