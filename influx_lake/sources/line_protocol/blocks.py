"""Finds the parts of many lines at once.

Lines of the usual form (`series field=value,... timestamp`) are split by counting their separators; all other lines are
left to `grammar`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.points.cells import Mask, Places

Bytes: TypeAlias = npt.NDArray[np.uint8]

_NEWLINE, _SPACE, _COMMA, _EQUALS, _QUOTE, _BACKSLASH = (ord(char) for char in '\n ,="\\')
_IS_MARK = np.zeros(256, np.bool_)
_IS_MARK[[_NEWLINE, _SPACE, _COMMA, _EQUALS, _QUOTE, _BACKSLASH]] = True
_NO_LINE = -1
_EVERY_OTHER = b"\x55"
"""Eight bits of a mask that selects every other item."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Parts of a block, given by where they begin and end. They are in order and do not overlap."""

    begin: Places
    end: Places

    def select(self, rows: Mask) -> Spans:
        """The spans selected by a mask."""
        return Spans(self.begin[rows], self.end[rows])

    def inner(self, begin: int = 0, end: int = 0) -> Spans:
        """The spans shortened by some bytes at their begin and end."""
        return Spans(self.begin + begin, self.end - end)

    def texts(self, block: pa.Buffer) -> pa.BinaryArray:
        """Their contents."""
        parts = self._parts(block, None)
        return parts.take(pa.array(np.arange(0, len(parts), 2)))

    def with_gaps(self, block: pa.Buffer) -> pa.BinaryArray:
        """Their contents, with a null between every two; nothing is copied."""
        return self._parts(block, pa.py_buffer(_EVERY_OTHER * (len(self.begin) // 4 + 1)))

    def _parts(self, block: pa.Buffer, valid: pa.Buffer | None) -> pa.BinaryArray:
        """Their contents, and what is between them."""
        offsets = np.empty(2 * len(self.begin), np.int32)
        offsets[0::2], offsets[1::2] = self.begin, self.end
        count = max(0, len(offsets) - 1)
        return pa.Array.from_buffers(pa.binary(), count, [valid, pa.py_buffer(offsets), block])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a block's lines are.

    Attributes:
        lines: All physical lines, without the newline.
        usual: The mask of lines of the usual form.
        series: The series of each usual line.
        times: The timestamp of each usual line.
        keys: The fields' names, of all usual lines.
        values: Their values.
        owner: The number of the line that each field belongs to.
    """

    lines: Spans
    usual: Mask
    series: Spans
    times: Spans
    keys: Spans
    values: Spans
    owner: Places


def lay_out(data: Bytes) -> Layout:
    """Find the parts of a block that ends with a newline."""
    where = np.flatnonzero(_IS_MARK[data])
    kind = data[where]
    newline = kind == _NEWLINE
    ends = where[newline]
    lines = Spans(np.concatenate(([0], ends[:-1] + 1)), ends)
    owner = np.cumsum(newline) - newline
    marks = _Marks(where, kind, owner, len(ends))
    return marks.layout(data, lines)


class _Marks:
    """The separators, quotes and backslashes of a block, each with its line."""

    def __init__(self, where: Places, kind: Bytes, owner: Places, lines: int) -> None:
        self.where = where
        self.kind = kind
        self.owner = owner
        self.usual = np.ones(lines, np.bool_)

    def layout(self, data: Bytes, lines: Spans) -> Layout:
        """Reduce the marks to separators, and exclude lines whose separators are not as usual."""
        self._keep((self.kind != _NEWLINE) & ~self._escaped(data))
        first, last = self._outer_spaces(len(lines.end))
        # A backslash in the series belongs to a name; others may be escapes in strings and are left to the grammar.
        inside = (self.where > first[self.owner]) & (self.where < last[self.owner])
        self._drop(self.owner[((self.kind == _QUOTE) & ~inside) | ((self.kind == _BACKSLASH) & ~self._before(first))])
        self._drop_odd_ends(data, lines)
        self._keep((self.kind != _BACKSLASH) & (self.where >= first[self.owner]))
        self._drop_strings(data)
        return self._fields(data, lines)

    def _keep(self, marks: Mask) -> None:
        self.where, self.kind, self.owner = self.where[marks], self.kind[marks], self.owner[marks]

    def _drop(self, lines: Places) -> None:
        self.usual[lines] = False

    def _before(self, places: Places) -> Mask:
        before: Mask = self.where < places[self.owner]
        return before

    def _escaped(self, data: Bytes) -> Mask:
        separates = (self.kind == _SPACE) | (self.kind == _COMMA) | (self.kind == _EQUALS)
        escaped: Mask = separates & (data[np.maximum(self.where - 1, 0)] == _BACKSLASH)
        return escaped

    def _outer_spaces(self, lines: int) -> tuple[Places, Places]:
        """The first and the last space of each line; lines with fewer than two are not usual."""
        is_space = self.kind == _SPACE
        spaces, owner = self.where[is_space], self.owner[is_space]
        counts = np.bincount(owner, minlength=lines)
        self._drop(np.flatnonzero(counts < 2))
        begins = np.cumsum(counts) - counts
        if not len(spaces):
            none = np.full(lines, _NO_LINE)
            return none, none
        return spaces[np.minimum(begins, len(spaces) - 1)], spaces[np.maximum(begins + counts - 1, 0)]

    def _drop_odd_ends(self, data: Bytes, lines: Spans) -> None:
        """Exclude blank lines, comments and byte order marks, by the first byte, and lines whose newline is escaped."""
        first = data[lines.begin]
        odd = (first <= ord("#")) | (first == UTF8_MARK[0]) | (data[np.maximum(lines.end - 1, 0)] == _BACKSLASH)
        self._drop(np.flatnonzero(odd))

    def _drop_strings(self, data: Bytes) -> None:
        """Drop the marks in strings, and the quotes, which open after `=` and close before `,` or a space."""
        is_quote = self.kind == _QUOTE
        if not is_quote.any():
            return
        quotes, owner = self.where[is_quote], self.owner[is_quote]
        counts = np.bincount(owner, minlength=len(self.usual))
        self._drop(np.flatnonzero(counts % 2))
        before = np.cumsum(is_quote) - is_quote
        opened_before = before - (np.cumsum(counts) - counts)[self.owner]
        odd = (opened_before % 2).astype(np.bool_)
        opens = ~odd[is_quote]
        following = data[quotes + 1]
        closes_well = (following == _COMMA) | (following == _SPACE)
        self._drop(owner[np.where(opens, data[quotes - 1] != _EQUALS, ~closes_well)])
        self._keep(~is_quote & ~odd)

    def _fields(self, data: Bytes, lines: Spans) -> Layout:
        """Split usual lines, whose marks are now ` = , = , = `: a space, alternating equals signs and commas, a
        space.
        """
        self._drop_disorder()
        self._keep(self.usual[self.owner])
        is_equals = self.kind == _EQUALS
        at = np.flatnonzero(is_equals)
        keys, values = Spans(self.where[at - 1] + 1, self.where[at]), Spans(self.where[at] + 1, self.where[at + 1])
        empty = (keys.begin == keys.end) | (values.begin == values.end)
        if empty.any():
            self._drop(self.owner[at][empty])
            return self._fields(data, lines)
        starts = np.flatnonzero(np.diff(self.owner, prepend=_NO_LINE))
        stops = np.concatenate((starts[1:], [len(self.owner)])) - 1 if len(starts) else starts
        usual = lines.select(self.usual)
        returns = (data[usual.end - 1] == ord("\r")) if len(usual.end) else np.empty(0, np.bool_)
        return Layout(
            lines=lines,
            usual=self.usual,
            series=Spans(usual.begin, self.where[starts]),
            times=Spans(self.where[stops] + 1, usual.end - returns),
            keys=keys,
            values=values,
            owner=self.owner[at],
        )

    def _drop_disorder(self) -> None:
        counts = np.bincount(self.owner, minlength=len(self.usual))
        begins = np.cumsum(counts) - counts
        rank = np.arange(len(self.owner)) - begins[self.owner]
        last = rank == counts[self.owner] - 1
        expected = np.where(rank % 2, _EQUALS, np.where((rank == 0) | last, _SPACE, _COMMA))
        self._drop(self.owner[self.kind != expected])
        self._drop(np.flatnonzero((counts < 3) | (counts % 2 == 0)))
