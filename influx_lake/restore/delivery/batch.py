"""Lines that are sent at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.restore.lines.points import PointBatch
from influx_lake.restore.lines.writer import Lines, LineWriter

Numbers = npt.NDArray[np.int64]

ROWS_AT_ONCE = 32_768
"""How many points become lines at once: what is computed for them stays small."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A point that is not in the target.

    Attributes:
        place: Its place among the points of its window.
        reason: Why, in the server's words where it is the server that refused it.
        line: Its line.
    """

    place: int
    reason: str
    line: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some points of a window, one after the other.

    Attributes:
        window: The window.
        begin: The place of the first of them among the window's points.
        end: The place behind the last one.
        body: The lines of those that are sent.
        offsets: Where each line begins, and where the last one ends.
        places: The places of the points whose lines they are.
        refused: Those that have no form in line protocol.
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
        """A line, without its line break."""
        return self.body[self.offsets[number] : self.offsets[number + 1] - 1]

    def part(self, begin: int, end: int) -> Batch:
        """Some of the lines."""
        body = self.body[self.offsets[begin] : self.offsets[end]]
        offsets = self.offsets[begin : end + 1] - self.offsets[begin]
        return Batch(self.window, self.begin, self.end, body, offsets, self.places[begin:end])

    def without(self, numbers: Iterable[int]) -> Batch:
        """The other lines."""
        return self.only(np.delete(np.arange(len(self)), list(numbers)))

    def only(self, numbers: Iterable[int]) -> Batch:
        """Some of the lines, one by one."""
        left = np.array(sorted(numbers), np.int64)
        lines = [self.body[self.offsets[number] : self.offsets[number + 1]] for number in left]
        offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines], dtype=np.int64)])
        return Batch(self.window, self.begin, self.end, b"".join(lines), offsets, self.places[left])

    def refusing(self, number: int, reason: str) -> Refused:
        """A line of it that was refused."""
        return Refused(int(self.places[number]), reason, self.line(number).decode(errors="replace"))


@dataclass(slots=True)
class BatchWriter:
    """Makes batches of a window's points.

    Attributes:
        window: The window.
        writer: Writes lines.
        most_bytes: How many bytes a batch may have, one line apart that is longer.
        most_lines: How many lines it may have.
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
        """Batches of points.

        Args:
            points: Points, each time with the place of the first; a gap before them ends a batch.
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
