"""A file of line protocol in blocks of whole lines, and its end, which may be a part of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.compute as pc

from influx_lake.config.connections.points import TRAILING_NEWLINE
from influx_lake.sources.files import FileLimits
from influx_lake.sources.line_protocol.parser import LineParser, Parsed
from influx_lake.sources.points.bad_record import BadRecord
from influx_lake.sources.points.cells import no_cells

_TIME_AT_END = re.compile(rb"[ \t]-?([0-9]+)[ \t]*\Z")
_DIGITS_OF_OUR_TIME = {1: 19, 1_000: 16, 1_000_000: 13, 1_000_000_000: 10}
"""How many digits the times of 2001 to 2286 have, by the nanoseconds that they count in."""


@dataclass(slots=True)
class FileParts:
    """Parses a file that comes in chunks of any size.

    Attributes:
        parser: Takes its blocks apart.
        uri: What it is called.
        limits: How long a line may be.
        ends_whole: Whether the last line is whole, also without its line break.
    """

    parser: LineParser
    uri: str
    limits: FileLimits
    ends_whole: bool = False
    _farthest: int = 0

    def parsed(self, chunks: Iterator[bytes]) -> Iterator[Parsed]:
        """What its blocks hold, in order.

        Raises:
            FileUnreadable: A line is too long.
        """
        waiting, size = list[bytes](), 0
        for chunk in chunks:
            cut = chunk.rfind(b"\n") + 1
            size += len(chunk)
            if not cut:
                self.limits.check_line(size, self.uri, self.parser.lines + 1)
                waiting.append(chunk)
                continue
            parsed = self._parse(b"".join((*waiting, memoryview(chunk)[:cut])))
            waiting = [parsed.rest, chunk[cut:]]
            size = len(parsed.rest) + len(chunk) - cut
            yield parsed
        last = b"".join(waiting)
        begin = last.rfind(b"\n") + 1
        if self._is_cut(last[begin:]):
            if begin:
                yield self._parse(last[:begin], last=True)
            yield Parsed(no_cells(), [self._cut(last[begin:])], b"")
        elif last:
            yield self._parse(last if last.endswith(b"\n") else last + b"\n", last=True)

    def _parse(self, block: bytes, *, last: bool = False) -> Parsed:
        if len(block) > self.limits.max_document:
            for number, line in enumerate(block.split(b"\n")):
                self.limits.check_line(len(line), self.uri, self.parser.lines + number + 1)
        parsed = self.parser.parse(block, last=last)
        if len(parsed.cells):
            ends = pc.min_max(parsed.cells.column("time"))
            self._farthest = max(self._farthest, abs(ends["min"].as_py()), abs(ends["max"].as_py()))
        return parsed

    @property
    def _digits(self) -> int:
        """How many digits times have."""
        unit = self.parser.unit
        return len(str(self._farthest // unit)) if self._farthest else _DIGITS_OF_OUR_TIME[unit]

    def _is_cut(self, line: bytes) -> bool:
        """Whether a last line without its line break may be a part of one: the time is what ends a line."""
        found = None if self.ends_whole or line.lstrip().startswith(b"#") else _TIME_AT_END.search(line)
        return found is not None and len(found[1]) < self._digits

    def _cut(self, line: bytes) -> BadRecord:
        return BadRecord(
            self.parser.lines + 1,
            f"is the last line, has no line break, and ends in a time of fewer digits than {self._digits}, which "
            f"others have: the file was cut off, or is still being written (`{TRAILING_NEWLINE}: optional` takes it)",
            line.decode(errors="backslashreplace"),
        )
