"""Messages of line protocol, parsed together as far as none can affect how another one is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from influx_lake.sources.line_protocol.grammar import LineScan
from influx_lake.sources.line_protocol.parser import LineParser
from influx_lake.sources.messages.message import DeadLetter, Messages
from influx_lake.sources.points.registry import Registry
from influx_lake.sources.points.staged_file import UnitWriter

_ODD = (b'"', b"\\", b"#")


@dataclass(slots=True)
class LineMessages:
    """Parses messages of line protocol.

    Attributes:
        writer: Takes the points.
        unit: The unit of timestamps, in nanoseconds.
    """

    writer: UnitWriter
    unit: int
    _parser: LineParser = field(init=False)

    def __post_init__(self) -> None:
        self._parser = LineParser(self.registry, self.unit)

    @property
    def registry(self) -> Registry:
        """Numbers the points' series and fields."""
        return self.writer.registry

    def add(self, messages: Messages) -> Iterator[DeadLetter]:
        """Parse messages, in the order of precedence, and return the unreadable ones."""
        for begin, end in _groups(messages):
            alone = end - begin == 1
            yield from self._add(messages.some(begin, end), LineParser(self.registry, self.unit) if alone else None)

    def _add(self, messages: Messages, own: LineParser | None) -> Iterator[DeadLetter]:
        """Parse messages none of which continues in the next."""
        parser = own or self._parser
        texts = [(value or b"").removesuffix(b"\n") for value in messages.values]
        before = parser.lines
        parsed = parser.parse(b"\n".join((*texts, b"")), last=True)
        self.writer.add(parsed.cells)
        if parsed.bad:
            first = np.fromiter(accumulate((text.count(b"\n") + 1 for text in texts), initial=1), np.int64)
            for each in parsed.bad:
                place = int(np.searchsorted(first, each.line - before, side="right")) - 1
                yield DeadLetter.of(messages, place, each.reason, each.text)


def _groups(messages: Messages) -> Iterator[tuple[int, int]]:
    """The ranges of messages that can be parsed together, and those of one that has to be parsed alone."""
    values = messages.values
    if not any(mark in block for block in [b"\n".join(value or b"" for value in values)] for mark in _ODD):
        yield 0, len(values)
        return
    begin = 0
    for place, value in enumerate(values):
        if not _is_closed(value or b""):
            if begin < place:
                yield begin, place
            yield place, place + 1
            begin = place + 1
    if begin < len(values):
        yield begin, len(values)


def _is_closed(value: bytes) -> bool:
    """Whether a message is self-contained: no string or escape is left open, and no comment sets a context."""
    if not any(mark in value for mark in _ODD):
        return True
    scan, ended = LineScan(), True
    for line in value.removesuffix(b"\n").split(b"\n"):
        if ended:
            scan = LineScan()
            if line.lstrip(b" \t\r\xef\xbb\xbf").startswith(b"#"):
                return False
        ended = scan.ends(line)
    return ended
