"""Parses rows as JSON objects, one on each line of a long response, or in an array, whose end proves it complete."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.errors import SourceError
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import bounded, error_in, json_of, not_json, shown

_BYTES_AT_ONCE = 1 << 20


def row_batches(
    chunks: Iterable[bytes], columns: pa.Schema, failures: HttpFailures
) -> Generator[pa.RecordBatch, None, None]:
    """The rows of JSON lines. They have no row count: a response cut between two lines looks complete.

    Raises:
        SourceError: A line is not a row of these columns, or the last one is not complete.
    """
    from pyarrow import json

    parse = json.ParseOptions(explicit_schema=_as_sent(columns), unexpected_field_behavior="error")
    for text in _whole_lines(chunks, failures):
        try:
            count = _objects(text)
            read = json.ReadOptions(use_threads=False, block_size=len(text) + 1)
            table = json.read_json(pa.py_buffer(text), read_options=read, parse_options=parse)
            _check(table, count, columns)
            batches = table.select(columns.names).cast(columns).combine_chunks().to_batches()
        except (pa.ArrowInvalid, ValueError) as error:
            raise _failure(text, columns, error, failures) from None
        yield from batches


def _failure(text: bytes, columns: pa.Schema, error: Exception, failures: HttpFailures) -> SourceError:
    """The error for lines that are not rows: the server's message in their place, else the first bad line."""
    needed = {each.name for each in columns if not each.nullable}
    for line in text.splitlines(keepends=True):
        try:
            row = json_of(line)
        except ValueError:
            if line.endswith(b"\n") or not line.startswith(b"{"):
                return failures.odd(f"a line is not a row: {shown(line.decode('utf-8', 'backslashreplace').rstrip())}")
            break
        if not isinstance(row, dict):
            received = line.decode().rstrip()
            return failures.odd(f"a line is not a row: {shown(received)}")
        said = error_in(row)
        # A measurement may have a column of this name.
        if said is not None and not (needed <= row.keys() <= {*columns.names}):
            return failures.broke_off(said)
        if others := row.keys() - {*columns.names}:
            return failures.odd(f"a row has a field that was not requested: {shown(sorted(others)[0])}")
    if text.endswith(b"\n"):
        return failures.odd(f"a row cannot be read: {error}")
    return failures.truncated(f"the last row cannot be read: {error}")


def rows_at_once(chunks: Iterable[bytes], columns: pa.Schema, failures: HttpFailures) -> pa.Table:
    """The rows of an array, or of lines from a server that does not support arrays.

    Raises:
        SourceError: The response does not hold rows of these columns, or is not complete.
    """
    text = b"".join(bounded(chunks, failures)).strip()
    if text.startswith(b"{"):
        return pa.Table.from_batches(row_batches([text, b"\n"], columns, failures), columns)
    try:
        rows = json_of(text)
    except ValueError as error:
        if not text or text.startswith(b"["):
            raise failures.truncated(f"the list of rows is not complete: {error}") from None
        raise failures.odd(not_json(text, error)) from None
    for row in rows if isinstance(rows, list) else ():
        if (said := error_in(row)) is not None and not row.keys() <= {*columns.names}:
            raise failures.broke_off(said)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() <= {*columns.names} for row in rows):
        raise failures.odd(f"the response is not a list of rows of {columns.names}")
    try:
        received = pa.Table.from_pydict({each.name: _column(rows, each) for each in _as_sent(columns)})
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise failures.odd(f"a row cannot be read: {error}") from None
    return received.cast(columns)


def _as_sent(columns: pa.Schema) -> pa.Schema:
    """The columns with times as integers, as requested."""
    return pa.schema(
        [pa.field(each.name, pa.int64() if pa.types.is_timestamp(each.type) else each.type) for each in columns]
    )


def _column(rows: list[dict[str, Any]], field: pa.Field) -> pa.Array:
    values = [row.get(field.name) for row in rows]
    known: set[type] = {str} if pa.types.is_string(field.type) else {bool} if field.type == pa.bool_() else {int}
    if pa.types.is_floating(field.type):
        known, values = {int, float}, [float(each) if type(each) is int else each for each in values]
    if wrong := [each for each in values if each is not None and type(each) not in known]:
        raise ValueError(f"{str(wrong[0])[:40]!r} is not of type {field.type}")
    return pa.array(values, field.type)


def _objects(text: bytes) -> int:
    """The number of lines, after a check that each is an object: Arrow must not parse anything else.

    Raises:
        ValueError: A line is not an object.
    """
    text.decode()
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    begun = text.count(b"\n{") + text.startswith(b"{")
    if begun != lines or text.count(b"}") != text.count(b"}\n") + text.endswith(b"}"):
        # A string may contain a brace.
        objects = [json_of(line) for line in text.splitlines()]
        if not {dict}.issuperset(map(type, objects)):
            raise ValueError("a line holds something else than a row")
    return lines


def _check(table: pa.Table, count: int, columns: pa.Schema) -> None:
    if any(table[each.name].null_count for each in columns if not each.nullable):
        raise ValueError("rows have no time")
    if table.num_rows != count:
        raise ValueError(f"{count} lines hold {table.num_rows} rows")
    for column in table.columns:
        if pa.types.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is False:
            raise ValueError("JSON has no NaN and no Infinity")


def _whole_lines(chunks: Iterable[bytes], failures: HttpFailures) -> Iterator[bytes]:
    """The stream, cut at line breaks, which JSON escapes in strings. Only the last part may lack its end."""
    pending, size = list[bytes](), 0
    for chunk in chunks:
        pending.append(chunk)
        size += len(chunk)
        if size < _BYTES_AT_ONCE:
            continue
        if b"\n" not in chunk:
            failures.check_size(size)
            continue
        text, end, rest = b"".join(pending).rpartition(b"\n")
        yield from _bounded(text + end, failures)
        pending, size = [rest], len(rest)
    text = b"".join(pending)
    if text.strip():
        yield from _bounded(text, failures)


def _bounded(text: bytes, failures: HttpFailures) -> Iterator[bytes]:
    """The lines without empty ones, after a check of their size."""
    lines = text.splitlines(keepends=True) if b"\n\n" in text or b"\r" in text or text.startswith(b"\n") else [text]
    failures.check_lines(text)
    yield b"".join(line.rstrip(b"\r\n") + (b"\n" if line.endswith(b"\n") else b"") for line in lines if line.strip())
