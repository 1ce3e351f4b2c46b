"""Reads rows as CSV, which Arrow parses several times as fast as JSON, and wraps queries so that CSV is unambiguous.

CSV has no types, and does not distinguish empty strings from nulls. So a query for rows is wrapped:
- a string that is empty, or begins with the mark, gets the mark as a prefix, so only null is empty;
- a time becomes an integer: Arrow cannot parse the text of the earliest times;
- the time becomes null where a column has another type than declared: the string "7" looks like the number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.errors import SourceError
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import error_in, json_of
from influx_lake.sources.http.records import whole_records
from influx_lake.sql_quoting import identifier, text_literal

_BYTES_AT_ONCE = 1 << 20
_MARK = "~"
_TYPES = {
    pa.int64(): "= 'Int64'",
    pa.uint64(): "= 'UInt64'",
    pa.float64(): "= 'Float64'",
    pa.bool_(): "= 'Boolean'",
    # `Utf8View`, `Dictionary(Int32, Utf8)`.
    pa.string(): "LIKE '%Utf8%'",
    pa.timestamp("ns"): "LIKE 'Timestamp%'",
}


def query(sql: str, columns: pa.Schema) -> str:
    """Wrap a query for rows so that CSV is unambiguous.

    Args:
        sql: A query for rows of these columns.
        columns: Their types; a column that is not nullable is the time.
    """
    typed = " AND ".join(f"arrow_typeof({identifier(each.name)}) {_TYPES[each.type]}" for each in columns)
    selected = ", ".join(f"{_said(each, typed)} AS {identifier(each.name)}" for each in columns)
    return f'SELECT {selected} FROM ({sql}) AS "rows"'  # noqa: S608 - names are quoted


def _said(column: pa.Field, typed: str) -> str:
    name, mark = identifier(column.name), text_literal(_MARK)
    if pa.types.is_timestamp(column.type):
        integer = f"CAST({name} AS BIGINT)"
        return integer if column.nullable else f"CASE WHEN {typed} THEN {integer} END"
    if pa.types.is_string(column.type):
        doubtful = f"{name} = '' OR {name} LIKE {text_literal(_MARK + '%')}"
        return f"CASE WHEN {doubtful} THEN concat({mark}, {name}) ELSE {name} END"
    return name


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with their strings unmarked."""
    arrays = [_unmarked(column) if pa.types.is_string(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _unmarked(texts: pa.Array) -> pa.Array:
    marked = pc.starts_with(texts, _MARK)
    return pc.if_else(marked, pc.utf8_slice_codeunits(texts, 1), texts) if pc.any(marked).as_py() else texts


def row_batches(
    chunks: Iterable[bytes], columns: pa.Schema, failures: HttpFailures
) -> Generator[pa.RecordBatch, None, None]:
    """The rows of a response to such a query. It has no row count: a response cut between two rows looks complete.

    Raises:
        SourceError: A record is not a row of these columns, or the last one is not complete.
    """
    reader = _Reader(columns, failures)
    rows_follow = False
    for text, _ in whole_records(chunks, failures, _BYTES_AT_ONCE):
        rows = text
        if text and not rows_follow:
            header, end, rows = text.partition(b"\n")
            if not end or _values(header) != columns.names:
                raise reader.failure(text, f"the header is not that of {columns.names}")
            rows_follow = True
        if rows:
            yield reader.rows(rows)


class _Reader:
    """Parses records to rows."""

    def __init__(self, columns: pa.Schema, failures: HttpFailures) -> None:
        from pyarrow import csv as arrow_csv

        self._columns = columns
        self._failures = failures
        places = [str(place) for place in range(len(columns))]
        types = [pa.int64() if pa.types.is_timestamp(each) else each for each in columns.types]
        self._places = places
        self._converted = arrow_csv.ConvertOptions(
            column_types=dict(zip(places, types, strict=True)),
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )

    def rows(self, text: bytes) -> pa.RecordBatch:
        from pyarrow import csv as arrow_csv

        if not text.endswith(b"\n"):
            raise self.failure(text, "it has no end")
        try:
            table = arrow_csv.read_csv(
                pa.py_buffer(text),
                read_options=arrow_csv.ReadOptions(
                    column_names=self._places, use_threads=False, block_size=len(text) + 1
                ),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=b'"' in text, ignore_empty_lines=False),
                convert_options=self._converted,
            )
            (received,) = table.combine_chunks().to_batches()
            self._check(received)
        except (pa.ArrowInvalid, ValueError) as error:
            raise self.failure(text, str(error)) from None
        arrays = [column.cast(kind) for column, kind in zip(received.columns, self._columns.types, strict=True)]
        rows = pa.RecordBatch.from_arrays(arrays, schema=self._columns)
        return plain(rows) if _MARK.encode() in text else rows

    def _check(self, rows: pa.RecordBatch) -> None:
        for field, column in zip(self._columns, rows.columns, strict=True):
            if column.null_count and not field.nullable:
                raise ValueError("rows have no time, or columns have other types than declared")
            if pa.types.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is False:
                raise ValueError("InfluxDB cannot hold NaN or infinity")

    def failure(self, text: bytes, why: str) -> SourceError:
        """The error for records that are not rows: the server's message in their place, if there is one."""
        for line in text.splitlines():
            if line.startswith(b"{") and (said := _said_in(line)) is not None:
                return self._failures.broke_off(said)
        if not text.endswith(b"\n") or text.count(b'"') % 2 or text.isspace():
            return self._failures.truncated(f"the last row cannot be read: {why}")
        return self._failures.odd(f"a row cannot be read: {why}")


def _said_in(line: bytes) -> str | None:
    try:
        return error_in(json_of(line))
    except ValueError:
        return None


def _values(line: bytes) -> list[str] | None:
    """The values of a record; None where it is not CSV."""
    try:
        return next(csv.reader(io.StringIO(line.decode()), strict=True), [])
    except (ValueError, csv.Error):
        return None
