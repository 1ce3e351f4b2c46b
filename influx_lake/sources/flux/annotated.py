"""Annotated CSV, as Flux answers: blocks of rows below a header, with the types of their columns above it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from influx_lake.sources.http import HttpFailures

_ROWS_AT_ONCE = 1 << 20
_TYPES = {
    "double": pa.float64(),
    "long": pa.int64(),
    "unsignedLong": pa.uint64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "dateTime:RFC3339": pa.timestamp("ns", "UTC"),
    "dateTime:RFC3339Nano": pa.timestamp("ns", "UTC"),
}
_ANNOTATION = b"#"
_ERROR = "error"
RESULT, TABLE = "result", "table"


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above a block's rows.

    Attributes:
        names: The columns; the first one has no name and no values.
        types: Their types.
        defaults: What an empty value of a column means.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    defaults: tuple[str, ...]


def tables(chunks: Iterable[bytes], failures: HttpFailures) -> Iterator[pa.Table]:
    """The rows of an answer, some at a time, each time with the columns of one header.

    A text that is empty is an empty text, for where a value is missing Flux has no row; other types have no such text.

    Raises:
        SourceError: The answer holds an error, or something else than annotated CSV.
    """
    above: dict[str, list[str]] = {}
    header: Header | None = None
    for piece in _pieces(_whole_records(chunks)):
        if piece.startswith(_ANNOTATION):
            if header is not None:
                above, header = {}, None
            (name, *values), *_ = csv.reader(io.StringIO(piece.decode("utf-8")))
            above[name] = ["", *values]
        elif header is None:
            line, _, rows = piece.partition(b"\n")
            header = _header(line, above, failures)
            if rows:
                yield _rows(rows, header, failures)
        else:
            yield _rows(piece, header, failures)


def _whole_records(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream, cut where a record ends: at the end of a line outside of quotes."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if len(pending) < _ROWS_AT_ONCE:
            continue
        if end := _last_end(pending):
            yield bytes(pending[:end])
            del pending[:end]
    if pending.strip():
        yield bytes(pending)


def _last_end(text: bytearray) -> int:
    """Behind the last end of a line that is not in quotes; 0 where there is none."""
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end


def _pieces(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Annotations one by one, and what stands between them."""
    for text in texts:
        start = 0
        while start < len(text):
            if text.startswith(_ANNOTATION, start):
                end = text.find(b"\n", start) + 1 or len(text)
                while text.count(b'"', start, end) % 2:
                    end = text.find(b"\n", end) + 1 or len(text)
            else:
                end = _next_annotation(text, start)
            if piece := text[start:end].strip(b"\r\n"):
                yield piece
            start = end


def _next_annotation(text: bytes, start: int) -> int:
    end = text.find(b"\n#", start)
    while end != -1 and text.count(b'"', start, end) % 2:
        end = text.find(b"\n#", end + 1)
    return len(text) if end == -1 else end + 1


def _header(line: bytes, above: dict[str, list[str]], failures: HttpFailures) -> Header:
    (names,) = csv.reader(io.StringIO(line.decode("utf-8").rstrip("\r")))
    types = above.get("#datatype")
    if types is None or len(types) != len(names):
        raise failures.odd("the answer is not annotated CSV")
    return Header(tuple(names), tuple(types), tuple(above.get("#default") or [""] * len(names)))


def _rows(text: bytes, header: Header, failures: HttpFailures) -> pa.Table:
    from pyarrow import csv as arrow_csv

    if _ERROR in header.names:
        first = next(csv.reader(io.StringIO(text.decode("utf-8", "replace"))), [])
        said = dict(zip(header.names, first, strict=False))
        raise failures.refused(said.get(_ERROR) or "the query failed, and the server does not say why")
    unknown = sorted(set(header.types[1:]) - _TYPES.keys())
    if unknown:
        raise failures.odd(f"a column has the type {unknown[0]!r}, which this version does not know")
    # The server's CSV ends lines with \r\n also inside of texts, and has left out every other \r.
    text = text.replace(b"\r\n", b"\n")
    places = [str(place) for place in range(len(header.names))]
    try:
        found = arrow_csv.read_csv(
            pa.py_buffer(text),
            read_options=arrow_csv.ReadOptions(column_names=places, use_threads=False, block_size=len(text) + 1),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types={
                    place: _TYPES.get(kind, pa.string()) for place, kind in zip(places, header.types, strict=True)
                },
                null_values=[""],
                strings_can_be_null=False,
                true_values=["true"],
                false_values=["false"],
            ),
        )
    except pa.ArrowInvalid as error:
        # Records are cut at the end of the stream only where the server stopped in the middle of one.
        raise failures.truncated(f"a record cannot be read: {error}") from None
    return found.select(places[1:]).rename_columns(list(header.names[1:]))
