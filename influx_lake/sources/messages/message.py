"""Messages of topics, and unreadable ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

Offsets: TypeAlias = Mapping[str, Mapping[int, int]]
"""The offset of the next message to read, by topic and partition."""

DEAD_LETTERS = pa.schema(
    [
        ("time", pa.timestamp("us", "UTC")),
        ("topic", pa.string()),
        ("partition", pa.int64()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("message", pa.string()),
    ]
)
"""The columns of a table of dead letters: when and where a message was, why it is not a point, and its text.

Each unreadable line of a message has a row of its own; the others are points of tables.
"""


@dataclass(frozen=True, slots=True)
class Messages:
    """Consecutive messages of one partition of a topic.

    Attributes:
        topic: The topic.
        partition: The partition.
        offsets: The offset of each message.
        times: When each was written, in milliseconds since 1970, as recorded by Kafka.
        values: The value of each; None for one without a value.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    times: Sequence[int]
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.offsets)

    def some(self, begin: int, end: int) -> Messages:
        """A range of the messages."""
        cut = slice(begin, end)
        return Messages(self.topic, self.partition, self.offsets[cut], self.times[cut], self.values[cut])


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message, or a line of one, that is not a point.

    Attributes:
        time: When the message was written, in milliseconds since 1970.
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        reason: Why it is not one.
        text: Its text.
    """

    time: int
    topic: str
    partition: int
    offset: int
    reason: str
    text: str

    @classmethod
    def of(cls, messages: Messages, place: int, reason: str, text: str | None = None) -> DeadLetter:
        """The dead letter for one of some messages."""
        if text is None:
            text = (messages.values[place] or b"").decode(errors="backslashreplace")
        where = messages.topic, messages.partition, messages.offsets[place]
        return cls(messages.times[place], *where, reason, text)


def as_rows(letters: Sequence[DeadLetter]) -> pa.RecordBatch:
    """Dead letters as rows of `DEAD_LETTERS`."""
    columns = [
        pa.array([each.time * 1000 for each in letters], pa.int64()).cast(DEAD_LETTERS.field("time").type),
        pa.array([each.topic for each in letters], pa.string()),
        pa.array([each.partition for each in letters], pa.int64()),
        pa.array([each.offset for each in letters], pa.int64()),
        pa.array([each.reason for each in letters], pa.string()),
        pa.array([each.text for each in letters], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=DEAD_LETTERS)
