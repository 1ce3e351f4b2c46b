"""A file of line protocol in blocks of whole lines, and its last line, which may be incomplete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.compute as pc

from influx_lake.config.connections.point_files import TRAILING_NEWLINE
from influx_lake.sources.files import FileLimits
from influx_lake.sources.line_protocol.parser import LineParser, Parsed
from influx_lake.sources.points.bad_record import BadRecord
from influx_lake.sources.points.cells import no_cells

_TIME_AT_END = re.compile(rb"[ \t]-?([0-9]+)[ \t]*\Z")
_DIGITS_OF_TIMES = {1: 19, 1_000: 16, 1_000_000: 13, 1_000_000_000: 10}
"""The digits of timestamps between 2001 and 2286, by the nanoseconds of a unit."""


@dataclass(slots=True)
class FileParts:
    """Parses a file that is read in chunks of any size.

    Attributes:
        parser: Parses its blocks.
        uri: The file's URI.
        limits: The size limits of lines.
        ends_whole: Whether the last line is complete even without a line break.
        between: Whether the bytes so far end with a complete point.
    """

    parser: LineParser
    uri: str
    limits: FileLimits
    ends_whole: bool = False
    between: bool = True
    _farthest: int = 0

    def parsed(self, chunks: Iterator[bytes]) -> Iterator[Parsed]:
        """The parsed blocks, in order.

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
            self.between = not size
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
        """The digits of timestamps."""
        unit = self.parser.unit
        return len(str(self._farthest // unit)) if self._farthest else _DIGITS_OF_TIMES[unit]

    def _is_cut(self, line: bytes) -> bool:
        """Whether the last line, without a line break, may be incomplete, judged by the timestamp at its end."""
        found = None if self.ends_whole or line.lstrip().startswith(b"#") else _TIME_AT_END.search(line)
        return found is not None and len(found[1]) < self._digits

    def _cut(self, line: bytes) -> BadRecord:
        return BadRecord(
            self.parser.lines + 1,
            f"is the last line, has no line break, and ends in a timestamp of fewer than {self._digits} digits, as "
            f"others have: the file was cut off, or is still being written (`{TRAILING_NEWLINE}: optional` accepts it)",
            line.decode(errors="backslashreplace"),
        )
