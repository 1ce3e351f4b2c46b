"""Converts the chunks of a chunked response, JSON documents of one line each, to Arrow.

Most of a chunk is `"values":[[1,"a",2.5],[2,null,3]]`. If no string in it needs an escape, replacing each `],[` between
rows by a line break and two spaces turns it into CSV, with JSON's quotes and its `null`. Arrow's CSV reader parses this
several times as fast as Python creates objects. The rest of the chunk (columns, errors and the flags for more chunks)
is parsed as JSON. A chunk with an escape is parsed as JSON as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.sources.http import HttpFailures
from influx_lake.sources.influxql.results import Documents, Series, parsed

_VALUES = b'"values":[['
_CLOSES, _COMMA, _OPENS, _QUOTE = b'],["'
_END_OF_LINE, _SPACE = b"\n "
_MAX_BLOCK = 2**31 - 1
_NUMBERED = re.compile(r"_\d+")
_SHOWN = 40
_JSON_TYPES: dict[pa.DataType, set[type]] = {
    pa.int64(): {int},
    pa.uint64(): {int},
    pa.float64(): {int, float},
    pa.bool_(): {bool},
    pa.string(): {str},
}


class RowChunks:
    """Converts the chunks of one statement's rows to record batches.

    Args:
        measurement: The measurement of the rows.
        columns: The names of the selected columns, the time first.
        types: The types of these columns; the time is an integer.
        failures: Makes the errors.
        may_be_alike: Whether points of one time can be equal because tags that distinguish them were not selected.
    """

    def __init__(
        self,
        measurement: str,
        columns: Sequence[str],
        types: list[pa.DataType],
        failures: HttpFailures,
        *,
        may_be_alike: bool = False,
    ) -> None:
        self._measurement = measurement
        self._columns = columns
        self._names = [str(place) for place in range(len(types))]
        self._types = types
        self._failures = failures
        self._may_be_alike = may_be_alike
        self._memory = np.empty(0, np.uint8), np.empty(0, np.bool_)
        self._before: tuple[int, int | None] | None = None

    def batches(self, lines: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """The rows; their columns are named by position.

        Raises:
            SourceError: The response contains an error, or is not complete.
        """
        documents = Documents(self._failures)
        for line in lines:
            document, rows = self._opened(line)
            for series in self._checked(documents.series(document)):
                yield self._next(self._from_json(series.values) if rows is None else rows, line)
        documents.end()

    def _checked(self, found: list[Series]) -> list[Series]:
        """Make sure that a document has no series but the expected one."""
        for series in found:
            if len(found) > 1 or series.name != self._measurement:
                raise self._failures.odd(f"the response has rows of {[each.name for each in found]}")
            if len(series.columns) != len(self._types) or not all(map(_is_called, series.columns, self._columns)):
                raise self._failures.odd(
                    f"the response has the columns {list(series.columns)} instead of {list(self._columns)}"
                )
        return found

    def _next(self, rows: pa.RecordBatch, line: bytes) -> pa.RecordBatch:
        """Make sure that rows can follow the previous ones: InfluxQL sorts by time, and sends no row twice."""
        times = rows.column(0)
        if len(times) == 0 or times.null_count:
            raise self._failures.odd("there are rows without a time, or a series without rows")
        first, last = times[0].as_py(), times[-1].as_py()
        # Repeated rows of several times are out of order.
        mark = hash(line) if first == last and not self._may_be_alike else None
        in_order = pc.all(pc.less_equal(times[:-1], times[1:]), min_count=0).as_py()
        same = mark is not None and self._before is not None and mark == self._before[1]
        if not in_order or same or (self._before is not None and first < self._before[0]):
            raise self._failures.odd("rows are repeated, or are not sorted by time")
        self._before = last, mark
        return rows

    def _opened(self, line: bytes) -> tuple[Any, pa.RecordBatch | None]:
        """Split a line into the document without its rows, and its rows; or return the whole document and None."""
        start = line.find(_VALUES) + len(_VALUES)
        end = line.rfind(b"]]")
        if start < len(_VALUES) or end < start or b"\\" in line:
            return parsed(line, self._failures), None
        rows = self._from_csv(np.frombuffer(line, np.uint8, end - start, start))
        if rows is None:
            return parsed(line, self._failures), None
        return parsed(line[: start - 2] + b"[]" + line[end + 2 :], self._failures), rows

    def _from_csv(self, sent: npt.NDArray[np.uint8]) -> pa.RecordBatch | None:
        """Parse the rows of a chunk as CSV; None if they must be parsed as JSON.

        That is the case if a string contains what looks like the end of a row, or a value has not the type of its
        column: the CSV reader takes the string "1" for a number, and a number for a string.
        """
        from pyarrow import csv

        text, found = self._kept(len(sent))
        text[:] = sent
        count = _make_lines(text, found)
        try:
            table = csv.read_csv(
                pa.py_buffer(text),
                read_options=csv.ReadOptions(
                    column_names=self._names, use_threads=False, block_size=min(len(text) + 1, _MAX_BLOCK)
                ),
                parse_options=csv.ParseOptions(newlines_in_values=True, double_quote=False),
                convert_options=self._conversion,
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != count:
            return None
        (rows,) = table.combine_chunks().to_batches()
        strings = [column for column in rows.columns if pa.types.is_string(column.type)]
        quotes = np.count_nonzero(np.equal(text, _QUOTE, out=found))
        if quotes != 2 * sum(len(column) - column.null_count for column in strings):
            return None
        floats = [column for column in rows.columns if pa.types.is_float64(column.type)]
        return rows if all(pc.all(pc.is_finite(column)).as_py() is not False for column in floats) else None

    def _kept(self, size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Reusable memory for a chunk's rows, and for a flag per byte; allocating it would cost more than the rest."""
        if size > len(self._memory[0]):
            self._memory = np.empty(size, np.uint8), np.empty(size, np.bool_)
        text, found = self._memory
        return text[:size], found[:size]

    @cached_property
    def _conversion(self) -> Any:
        from pyarrow import csv

        return csv.ConvertOptions(
            column_types=dict(zip(self._names, self._types, strict=True)),
            null_values=["null"],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )

    def _from_json(self, values: list[list[Any]]) -> pa.RecordBatch:
        columns = list(zip(*values, strict=True)) or [()] * len(self._types)
        try:
            arrays = [_array(column, kind) for column, kind in zip(columns, self._types, strict=True)]
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise self._failures.odd(f"a value is not of its column's type: {error}") from None
        return pa.RecordBatch.from_arrays(arrays, self._names)


def _make_lines(rows: npt.NDArray[np.uint8], found: npt.NDArray[np.bool_]) -> int:
    """Turn rows into lines of CSV, replacing their brackets; return the number of lines."""
    ends = np.flatnonzero(np.equal(rows, _CLOSES, out=found)[:-2])
    # The others are inside strings.
    ends = ends[(rows[ends + 1] == _COMMA) & (rows[ends + 2] == _OPENS)]
    rows[ends], rows[ends + 1], rows[ends + 2] = _END_OF_LINE, _SPACE, _SPACE
    return len(ends) + 1


def _is_called(received: str, asked: str) -> bool:
    """Whether a column has its name, or the numbered one that InfluxQL gives to duplicates."""
    return received == asked or (received.startswith(asked) and _NUMBERED.fullmatch(received, len(asked)) is not None)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    """Convert values to a column exactly; Arrow would cut off fractions, and take booleans for numbers."""
    known = _JSON_TYPES[kind]
    for value in values:
        if value is not None and type(value) not in known:
            raise ValueError(f"{str(value)[:_SHOWN]!r} is not of type {kind}")
    if pa.types.is_float64(kind):
        # A float without a fraction is written as an integer, and Arrow accepts only small ones.
        values = tuple(None if value is None else float(value) for value in values)
        if not all(value is None or isfinite(value) for value in values):
            raise ValueError("a number is out of the range of floats")
    return pa.array(values, kind)
