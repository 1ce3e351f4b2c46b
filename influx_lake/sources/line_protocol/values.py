"""Converts the values of many fields at once, by type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.line_protocol.blocks import Bytes, Spans
from influx_lake.sources.line_protocol.grammar import BOOLEANS
from influx_lake.sources.points.cells import Mask, Places
from influx_lake.sources.points.registry import CODES

_FLOAT, _INTEGER, _UINTEGER, _BOOLEAN, STRING = (
    CODES[kind]
    for kind in (ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.UINTEGER, ColumnType.BOOLEAN, ColumnType.STRING)
)
_TEXTS_OF_BOOLEANS = pa.array(list(BOOLEANS), pa.binary())
_BITS_OF_BOOLEANS = np.array([*BOOLEANS.values()], np.int64)


@dataclass(frozen=True, slots=True)
class Values:
    """Values of fields.

    Attributes:
        code: The code of each value's type.
        bits: The bits of each value that is not a string.
        texts: The strings.
        good: The mask of valid values.
    """

    code: Places
    bits: Places
    texts: pa.Array
    good: Mask

    @property
    def columns(self) -> tuple[Places, Places, pa.Array]:
        """All but the mask."""
        return self.code, self.bits, self.texts


def read_values(data: Bytes, block: pa.Buffer, spans: Spans, *, decimal: bool = False) -> Values:
    """Convert the values of fields. Those that are not good are left to the grammar.

    Args:
        data: The block's bytes.
        block: The same.
        spans: Where the values are.
        decimal: Whether it is known that no number has a plus sign, or is hexadecimal.
    """
    code = _codes(data, spans)
    bits, good = np.zeros(len(code), np.int64), np.ones(len(code), np.bool_)
    for kind, number in _NUMBERS.items():
        rows = code == kind
        if rows.all():
            bits, good = number.read(data, block, spans, decimal=decimal)
            return Values(code, bits, pa.array([], pa.string()), good)
        if rows.any():
            bits[rows], good[rows] = number.read(data, block, spans.select(rows), decimal=decimal)
    rows = code == _BOOLEAN
    bits[rows], good[rows] = _booleans(spans.select(rows).texts(block))
    rows = code == STRING
    texts, good[rows] = _strings(spans.select(rows).inner(1, 1).texts(block))
    return Values(code, bits, texts, good)


def read_integers(data: Bytes, block: pa.Buffer, spans: Spans) -> tuple[Places, Mask]:
    """Parse decimal integers; also return the mask of valid ones."""
    return _TIMESTAMP.read(data, block, spans)


def read_timestamps(texts: pa.BinaryArray) -> Places | None:
    """Parse timestamps; None if one is not a decimal integer."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    if ends[0] == ends[-1]:
        return None
    if not _begins_plainly(np.frombuffer(data, np.uint8), Spans(ends[:-1], ends[1:])).all():
        return None
    try:
        found: Places = texts.view(pa.string()).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return found


def _codes(data: Bytes, spans: Spans) -> Places:
    first, last = data[spans.begin], data[np.maximum(spans.end - 1, 0)]
    number = np.select([last == ord("i"), last == ord("u")], [_INTEGER, _UINTEGER], _FLOAT)
    digit = (first <= ord("9")) & (first != ord('"'))
    return np.where(digit, number, np.where(first == ord('"'), STRING, _BOOLEAN))


@dataclass(frozen=True, slots=True)
class _Number:
    """The format of numbers of a type.

    Attributes:
        type: The type.
        pattern: The number without the suffix.
        suffix: How many bytes at the end denote the type.
    """

    type: pa.DataType
    pattern: str
    suffix: int = 0

    def read(self, data: Bytes, block: pa.Buffer, spans: Spans, *, decimal: bool = False) -> tuple[Places, Mask]:
        """Parse numbers; also return the mask of valid ones."""
        good, inner = np.True_ if decimal else _begins_plainly(data, spans), spans.inner(end=self.suffix)
        try:
            numbers = inner.with_gaps(block).view(pa.string()).cast(self.type)
            values = np.frombuffer(numbers.buffers()[1], self.type.to_pandas_dtype())[: len(numbers) : 2]
        except pa.ArrowInvalid:
            texts = inner.texts(block)
            fits = pc.match_substring_regex(texts, self.pattern)
            good = good & fits.to_numpy(zero_copy_only=False)
            numbers = self._numbers(pc.if_else(fits, texts, pa.scalar(b"0")))
            if numbers is None:
                return np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
            values = numbers.to_numpy()
        return values.view(np.int64), good & np.isfinite(values)

    def _numbers(self, texts: pa.BinaryArray) -> pa.Array | None:
        try:
            return texts.view(pa.string()).cast(self.type)
        except pa.ArrowInvalid:
            # Some are out of range: all are left to the grammar.
            return None


def _begins_plainly(data: Bytes, spans: Spans) -> Mask:
    """A mask without what only Arrow accepts as numbers: a plus sign, hexadecimal digits."""
    last = len(data) - 1
    first, second, third = (data[np.minimum(spans.begin + place, last)] for place in range(3))
    digit = (first >= ord("0")) & (first <= ord("9"))
    decimal = ((second | 32) != ord("x")) & ((third | 32) != ord("x"))
    plain: Mask = (digit | (first == ord("-")) | (first == ord("."))) & decimal
    return plain


_NUMBERS = {
    _FLOAT: _Number(pa.float64(), r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"),
    _INTEGER: _Number(pa.int64(), r"^-?[0-9]+$", suffix=1),
    _UINTEGER: _Number(pa.uint64(), r"^[0-9]+$", suffix=1),
}
_TIMESTAMP = _Number(pa.int64(), r"^-?[0-9]+$")


def _booleans(texts: pa.BinaryArray) -> tuple[Places, Mask]:
    places = pc.index_in(texts, _TEXTS_OF_BOOLEANS)
    return _BITS_OF_BOOLEANS[pc.fill_null(places, 0).to_numpy()], places.is_valid().to_numpy(zero_copy_only=False)


def _strings(texts: pa.BinaryArray) -> tuple[pa.Array, Mask]:
    try:
        return texts.cast(pa.string()), np.ones(len(texts), np.bool_)
    except pa.ArrowInvalid:
        read = [_text(each) for each in texts.to_pylist()]
        return pa.array([each or "" for each in read], pa.string()), np.array([each is not None for each in read])


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
