"""Builds batches of line protocol from the points of a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.lines.writer import Lines, LineWriter

Numbers = npt.NDArray[np.int64]

ROWS_AT_ONCE = 32_768
"""How many points are formatted at once, which bounds memory."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A point that is not in the target because it was refused or cannot be written.

    Attributes:
        place: The index of the point in its window.
        reason: The reason, in the server's words where the server refused it.
        line: Its line.
    """

    place: int
    reason: str
    line: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive points of a window, as lines.

    Attributes:
        window: The window.
        begin: The index of the first point in the window.
        end: The index after the last point.
        body: The lines to send.
        offsets: The byte offset of each line, and the end of the last.
        places: The indices in the window of the points that have lines.
        refused: The points that cannot be written as line protocol.
    """

    window: Window
    begin: int
    end: int
    body: bytes
    offsets: Numbers
    places: Numbers
    refused: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    def line(self, number: int) -> bytes:
        """A line, without its newline."""
        return self.body[self.offsets[number] : self.offsets[number + 1] - 1]

    def part(self, begin: int, end: int) -> Batch:
        """A range of the lines."""
        body = self.body[self.offsets[begin] : self.offsets[end]]
        offsets = self.offsets[begin : end + 1] - self.offsets[begin]
        return Batch(self.window, self.begin, self.end, body, offsets, self.places[begin:end])

    def without(self, numbers: Iterable[int]) -> Batch:
        """All lines but some."""
        return self.only(np.delete(np.arange(len(self)), list(numbers)))

    def only(self, numbers: Iterable[int]) -> Batch:
        """A selection of lines."""
        left = np.array(sorted(numbers), np.int64)
        lines = [self.body[self.offsets[number] : self.offsets[number + 1]] for number in left]
        offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines], dtype=np.int64)])
        return Batch(self.window, self.begin, self.end, b"".join(lines), offsets, self.places[left])

    def refusing(self, number: int, reason: str) -> Refused:
        """The `Refused` of a line."""
        return Refused(int(self.places[number]), reason, self.line(number).decode(errors="replace"))


@dataclass(slots=True)
class BatchWriter:
    """Builds the batches of a window's points.

    Attributes:
        window: The window.
        writer: Formats points as lines.
        most_bytes: The largest body in bytes; a single longer line is a batch of its own.
        most_lines: The most lines of a batch.
    """

    window: Window
    writer: LineWriter
    most_bytes: int
    most_lines: int
    _parts: list[bytes] = field(default_factory=list, init=False)
    _lengths: list[Numbers] = field(default_factory=list, init=False)
    _places: list[Numbers] = field(default_factory=list, init=False)
    _refused: list[Refused] = field(default_factory=list, init=False)
    _begin: int | None = field(default=None, init=False)
    _end: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)
    _lines: int = field(default=0, init=False)

    def batches(self, points: Iterable[tuple[int, PointBatch]]) -> Iterator[Batch]:
        """Yield batches of points.

        Args:
            points: Points, each with the index of its first; a gap in the indices ends a batch.
        """
        for first, group in points:
            if self._begin is not None and first != self._end:
                yield self._done()
            for begin in range(0, len(group), ROWS_AT_ONCE):
                part = group.slice(begin, ROWS_AT_ONCE)
                yield from self._added(first + begin, len(part), self.writer.lines(part))
        if self._begin is not None:
            yield self._done()

    def _added(self, first: int, count: int, lines: Lines) -> Iterator[Batch]:
        texts, faults = lines.texts, lines.faults
        refused = [Refused(first + place, faults[place], texts[place].as_py()[:-1]) for place in sorted(faults)]
        places = np.arange(count, dtype=np.int64)
        if faults:
            places = np.delete(places, sorted(faults))
            texts = texts.take(pa.array(places))
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
        data = memoryview(texts.buffers()[2]) if texts.buffers()[2] is not None else memoryview(b"")
        at, last = 0, first
        while at < len(texts):
            room = self.most_bytes - self._bytes
            until = int(np.searchsorted(offsets, offsets[at] + room, side="right")) - 1
            until = min(until, at + self.most_lines - self._lines, len(texts))
            if until <= at:
                if self._lines:
                    yield self._done()
                    continue
                until = at + 1
            end = first + count if until == len(texts) else first + int(places[until])
            self._add(last, end, bytes(data[offsets[at] : offsets[until]]), np.diff(offsets[at : until + 1]))
            self._places.append(first + places[at:until])
            self._refused += [each for each in refused if last <= each.place < end]
            at, last = until, end
        if last < first + count:
            self._add(last, first + count, b"", np.empty(0, np.int64))
            self._refused += [each for each in refused if each.place >= last]

    def _add(self, begin: int, end: int, text: bytes, lengths: Numbers) -> None:
        if self._begin is None:
            self._begin = begin
        self._end = end
        self._parts.append(text)
        self._lengths.append(lengths.astype(np.int64))
        self._bytes += len(text)
        self._lines += len(lengths)

    def _done(self) -> Batch:
        none = np.empty(0, np.int64)
        lengths = np.concatenate([none, *self._lengths])
        made = Batch(
            self.window,
            self._begin or 0,
            self._end,
            b"".join(self._parts),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([none, *self._places]).astype(np.int64),
            tuple(self._refused),
        )
        self._parts, self._lengths, self._places, self._refused = [], [], [], []
        self._begin, self._bytes, self._lines = None, 0, 0
        return made
