"""Parses lines that are not plain, one at a time: comments, escapes, multi-line strings, invalid lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.line_protocol.blocks import Spans
from influx_lake.sources.line_protocol.grammar import (
    BadLine,
    Line,
    LineScan,
    check_field_name,
    parse_line,
    parse_series,
)
from influx_lake.sources.line_protocol.headers import Headers
from influx_lake.sources.points.bad_record import BadRecord
from influx_lake.sources.points.cell_builder import TIMES
from influx_lake.sources.points.cells import Mask
from influx_lake.sources.points.registry import Context

_STATEMENT = re.compile(rb"(?:create|alter|drop|delete|grant|revoke|set|show|select|kill|explain)\b", re.IGNORECASE)
_COMMENTED = (
    "is a point of a measurement whose name begins with #, which InfluxDB reads as a comment: rename the measurement, "
    "or remove the line"
)
LONGEST_POINT = 4_000_000
"""The longest string: a longer one was never closed, and only the line that opens it is bad."""


@dataclass(frozen=True, slots=True)
class OddLine:
    """A point that was parsed separately.

    Attributes:
        number: The physical line in the block where it begins.
        context: Its context.
        line: Its contents; the time is in nanoseconds.
    """

    number: int
    context: Context
    line: Line


@dataclass(slots=True)
class OddLines:
    """Parses the odd lines of a block.

    Attributes:
        block: The block.
        lines: Its physical lines.
        headers: The state of the file's comments; updated.
        unit: The unit of timestamps, in nanoseconds.
        before: How many lines of the file precede the block.
        last: Whether the block is the last one of the file.
        points: The points found.
        bad: The bad lines.
        contexts: The contexts, each with the line from which it applies.
        taken: Lines of the usual form that belong to the point before them.
        rest: Where the last point begins, if it continues in the next block.
    """

    block: bytes
    lines: Spans
    headers: Headers
    unit: int
    before: int
    last: bool
    points: list[OddLine] = field(default_factory=list)
    bad: list[BadRecord] = field(default_factory=list)
    contexts: list[tuple[int, Context]] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)
    rest: int | None = None

    def read(self, usual: Mask) -> None:
        """Parse the lines that are not usual, in order."""
        self.contexts.append((0, self.headers.context))
        following = 0
        for number in np.flatnonzero(~usual).tolist():
            if number >= following:
                following = self._read_from(number)
                if self.rest is not None:
                    break

    def _read_from(self, number: int) -> int:
        """Parse what begins at a line, and return the next line."""
        first = self._line(number).removeprefix(UTF8_MARK).strip(b" \t\r")
        if self.headers.read(first):
            if self.headers.context != self.contexts[-1][1]:
                self.contexts.append((number, self.headers.context))
            return number + 1
        if not first:
            return number + 1
        following = self._end_of_point(number)
        if following is None:
            self.rest = int(self.lines.begin[number])
            return number
        text = self.block[self.lines.begin[number] : self.lines.end[following - 1]].removeprefix(UTF8_MARK)
        is_comment = first.startswith(b"#")
        if (is_comment or (self.headers.in_ddl and _STATEMENT.match(first))) and not self._is_point(text):
            return number + 1
        if following > number + 1:
            self.taken.append((number + 1, following))
        if is_comment:
            # InfluxDB does not read such lines either, but its exports contain them.
            self._add_bad(number, text, _COMMENTED)
        else:
            self._read_point(number, text)
        return following

    def _is_point(self, text: bytes) -> bool:
        try:
            _checked(text, self.unit)
        except BadLine:
            return False
        return True

    def _line(self, number: int) -> bytes:
        return self.block[self.lines.begin[number] : self.lines.end[number]]

    def _end_of_point(self, number: int) -> int | None:
        """The line after a point; None if the point does not end in this block."""
        scan, begin = LineScan(), self.lines.begin[number]
        for following in range(number, len(self.lines.end)):
            if scan.ends(self._line(following)):
                return following + 1
            if self.lines.end[following] - begin > LONGEST_POINT:
                return number + 1
        return number + 1 if self.last else None

    def _read_point(self, number: int, text: bytes) -> None:
        try:
            self.points.append(OddLine(number, self.headers.context, _checked(text, self.unit)))
        except BadLine as error:
            self._add_bad(number, text, str(error))

    def _add_bad(self, number: int, text: bytes, reason: str) -> None:
        if text.startswith(b"\0"):
            reason = "begins with NUL bytes: space that was never written to"
        self.bad.append(BadRecord(self.before + number + 1, reason, text.decode(errors="backslashreplace")))


def _checked(text: bytes, unit: int) -> Line:
    line = parse_line(text)
    parse_series(line.series)
    for each in line.fields:
        check_field_name(each.name)
    if line.time * unit not in TIMES:
        raise BadLine(f"has a timestamp out of range: {line.time}")
    return Line(line.series, line.fields, line.time * unit)
