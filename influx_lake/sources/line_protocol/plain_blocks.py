"""Parses blocks whose lines all are `series field=value,... timestamp`, without strings, escapes and comments.

Arrow's CSV reader splits lines at their two spaces, so that only the fields are left to be found. All other blocks are
left to `blocks`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.files.text_blocks import count_lines
from influx_lake.sources.line_protocol.blocks import Bytes, Spans
from influx_lake.sources.line_protocol.values import read_timestamps
from influx_lake.sources.points.cells import Places

_NEVER = (b'"', b"\\", b"\r", b"\t")
_NOT_DECIMAL = (b"x", b"X", b"+")
_COLUMNS = ["series", "fields", "time"]
_SERIES_TYPE = pa.dictionary(pa.int32(), pa.binary())


@dataclass(frozen=True, slots=True)
class PlainBlock:
    """The parts of a block.

    Attributes:
        lines: How many lines it has, including empty ones.
        series: The series of each point.
        times: The timestamp of each point.
        decimal: Whether all numbers that Arrow can parse are decimal and without a plus sign.
        data: The fields of all points, concatenated.
        keys: The fields' names in it.
        values: Their values.
        owner: The number of the point that each field belongs to.
    """

    lines: int
    series: pa.DictionaryArray
    times: Places
    decimal: bool
    data: pa.Buffer
    keys: Spans
    values: Spans
    owner: Places


def plain_block(block: bytes) -> PlainBlock | None:
    """Split a block that ends with a newline; None if it is not plain."""
    if any(mark in block for mark in _NEVER):
        return None
    decimal = not any(mark in block for mark in _NOT_DECIMAL)
    try:
        columns = _columns(block, pa.int64() if decimal else pa.binary())
    except pa.ArrowInvalid:
        return None
    if columns is None:
        return None
    series, fields, sent = columns
    times = sent.to_numpy() if decimal else read_timestamps(sent)
    if times is None:
        return None
    _, offsets, data = fields.buffers()
    ends = np.frombuffer(offsets, np.int32)[fields.offset : fields.offset + len(fields) + 1].astype(np.int64)
    found = _fields(np.frombuffer(data, np.uint8), ends)
    return found and PlainBlock(count_lines(block), series, times, decimal, data, *found)


def _columns(block: bytes, time: pa.DataType) -> tuple[pa.DictionaryArray, pa.BinaryArray, pa.Array] | None:
    from pyarrow import csv

    table = csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(column_names=_COLUMNS, block_size=len(block) + 1, use_threads=False),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False),
        convert_options=csv.ConvertOptions(
            column_types=dict(zip(_COLUMNS, (_SERIES_TYPE, pa.binary(), time), strict=True)),
            null_values=[],
            strings_can_be_null=False,
            check_utf8=False,
        ),
    )
    if not len(table) or block.startswith(UTF8_MARK):
        # Arrow removes the byte order mark.
        return None
    series, fields, times = (column.combine_chunks() for column in table.columns)
    return series, fields, times


def _fields(data: Bytes, ends: Places) -> tuple[Spans, Spans, Places] | None:
    """Where names and values are, and which points they belong to; None if any is not `name=value,...`."""
    equals = np.flatnonzero(data[: ends[-1]] == ord("="))
    commas = np.flatnonzero(data[: ends[-1]] == ord(","))
    begin, end, owner = ends[:-1], ends[1:], np.arange(len(ends) - 1)
    if len(commas):
        counts = np.diff(np.searchsorted(commas, ends)) + 1
        begin, end = np.sort(np.concatenate((begin, commas + 1))), np.sort(np.concatenate((end, commas)))
        owner = np.repeat(owner, counts)
    if len(equals) != len(begin) or not ((begin < equals) & (equals + 1 < end)).all():
        return None
    return Spans(begin, equals), Spans(equals + 1, end), owner
