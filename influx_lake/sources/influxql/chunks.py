"""The chunks of a chunked answer: JSON documents, one per line, turned into Arrow.

Most of a chunk is `"values":[[1,"a",2.5],[2,null,3]]`. Where no string in it needs an escape, its rows are lines of CSV
once the brackets between them are line ends, with JSON's quotes and its `null`; Arrow's CSV reader takes them several
times as fast as Python makes objects of them. Everything else of the chunk is read as JSON: its columns, errors and
marks of more to come. A chunk with an escape is read as JSON as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from influx_lake.sources.http import HttpFailures

_VALUES = b'"values":[['
_BETWEEN_ROWS = b"],["
_MAX_BLOCK = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one series of an answer.

    Attributes:
        name: What it is of.
        columns: The names of its columns.
        values: Its rows, as JSON has them.
    """

    name: str
    columns: tuple[str, ...]
    values: list[list[Any]]


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream. JSON escapes the ends of lines in strings, so that none is inside a document."""
    pending: list[bytes] = []
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            pending.append(end)
            if line := b"".join(pending).strip():
                yield line
            pending.clear()
        pending.append(rest)
    if line := b"".join(pending).strip():
        yield line


def read_series(documents: Iterable[bytes], failures: HttpFailures) -> Iterator[Series]:
    """The series of an answer with few rows.

    Raises:
        SourceError: The server says so in the answer, or it is not complete.
    """
    more = False
    for document in documents:
        result = _Result(_parsed(document, failures), failures)
        yield from result.series()
        more = result.more
    if more:
        raise failures.truncated("the answer ended where the server had announced more")


class RowChunks:
    """Turns the chunks of one statement's rows into record batches.

    Args:
        types: The types of the columns, the time (as an integer) first.
        failures: Makes the errors.
    """

    def __init__(self, types: list[pa.DataType], failures: HttpFailures) -> None:
        self._names = [str(place) for place in range(len(types))]
        self._types = types
        self._failures = failures

    def batches(self, documents: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """The rows; their columns are called by their places.

        Raises:
            SourceError: The server says so in the answer, or it is not complete.
        """
        more = False
        for document in documents:
            envelope, rows = self._opened(document)
            result = _Result(envelope, self._failures)
            more = result.more
            if rows is None:
                rows = self._from_json([row for series in result.series() for row in series.values])
            for series in result.series():
                if len(series.columns) != len(self._types):
                    raise self._failures.odd(
                        f"rows of {len(self._types)} columns were asked for, and rows of {len(series.columns)} came"
                    )
            if rows.num_rows:
                yield rows
        if more:
            raise self._failures.truncated("the answer ended where the server had announced more")

    def _opened(self, document: bytes) -> tuple[Any, pa.RecordBatch | None]:
        """The document without its rows, and its rows; or all of it, and None."""
        start = document.find(_VALUES) + len(_VALUES)
        end = document.rfind(b"]]")
        if start < len(_VALUES) or end < start or b"\\" in document:
            return _parsed(document, self._failures), None
        rows = self._from_csv(document[start:end].replace(_BETWEEN_ROWS, b"\n"))
        if rows is None:
            return _parsed(document, self._failures), None
        return _parsed(document[: start - 2] + b"[]" + document[end + 2 :], self._failures), rows

    def _from_csv(self, text: bytes) -> pa.RecordBatch | None:
        """The rows; None where a string holds what was taken for the end of a row, or the columns are others."""
        from pyarrow import csv

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
        if table.num_rows != text.count(b"\n") + 1:
            return None
        return table.combine_chunks().to_batches()[0]

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
        columns = list(zip(*values, strict=True)) if values else [()] * len(self._types)
        if len(columns) != len(self._types):
            raise self._failures.odd(
                f"rows of {len(self._types)} columns were asked for, and rows of {len(columns)} came"
            )
        try:
            arrays = [_array(column, kind) for column, kind in zip(columns, self._types, strict=True)]
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise self._failures.odd(f"a value is not of its column's type: {error}") from None
        return pa.RecordBatch.from_arrays(arrays, self._names)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_float64(kind):
        # A float without a fraction is written as an integer, and Arrow takes only small ones of those.
        return pa.array([None if value is None else float(value) for value in values], kind)
    return pa.array(values, kind)


class _Result:
    """The result of the one statement that was sent, as far as a document has it."""

    def __init__(self, document: Any, failures: HttpFailures) -> None:
        if not isinstance(document, dict):
            raise failures.odd("the answer is not an object")
        if "error" in document:
            raise failures.refused(str(document["error"]))
        results = document.get("results")
        if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
            raise failures.odd("the answer does not hold the result of one statement")
        self._result: dict[str, Any] = results[0]
        self._failures = failures
        if "error" in self._result:
            raise failures.refused(str(self._result["error"]))

    @property
    def more(self) -> bool:
        """Whether the server announces more rows."""
        series = self._result.get("series", [])
        return bool(self._result.get("partial")) or any(bool(each.get("partial")) for each in series)

    def series(self) -> list[Series]:
        try:
            return [
                Series(str(each.get("name", "")), tuple(each["columns"]), each.get("values") or [])
                for each in self._result.get("series", [])
            ]
        except (KeyError, TypeError, AttributeError):
            raise self._failures.odd("a series of the answer has no columns") from None


def _parsed(document: bytes, failures: HttpFailures) -> Any:
    try:
        return json.loads(document)
    except ValueError:
        # A server that dies closes the connection in the middle of a document.
        raise failures.truncated("the answer ended in the middle of a document") from None
