"""Parses columns of strings as numbers at once: exactly as `numbers` does for each string, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.sources.landing_zone.numbers import FLOAT_DIGITS, SMALLEST_NORMAL
from influx_lake.sources.points.cells import Mask, Numbers

Bytes: TypeAlias = npt.NDArray[np.uint8]

LARGEST_EXACT = 2**53
"""All integers up to this one are exact as floats."""
_ZERO, _NINE, _MINUS, _POINT = (ord(char) for char in "09-.")
_NOTHING_BUT_ZEROS = r"^-?[0.]+(?:[eE].*)?$"
_NOT_DIGITS = r"[eE].*|[-.]"
_MAY_BEGIN = np.zeros(256, np.bool_)
_MAY_BEGIN[[*range(_ZERO, _NINE + 1), _MINUS, _POINT, *b"tTfF"]] = True


def are_words(texts: pa.Array) -> bool:
    """Whether strings, none of them empty, cannot be numbers or booleans, judged by their first characters."""
    there = texts.drop_null()
    begin, _, data = _spans(there)
    return not _MAY_BEGIN[data[begin]].any()


def integers(texts: pa.Array) -> pa.Array | None:
    """Parse 64-bit integers as programs write them; None if one string, none of them empty, is not such an integer."""
    try:
        found = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return found if _written_plainly(texts.drop_null(), _ends_in_digit) else None


def floats(texts: pa.Array) -> pa.Array | None:
    """Parse floats as programs write them, and integers that are exact as floats; None if one string is neither."""
    try:
        found = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    if not _written_plainly(texts.drop_null(), _ends_in_digit_or_point):
        return None
    # Larger integers may differ from the float.
    largest = pc.max(pc.abs(found)).as_py()
    return found if (largest is None or largest < LARGEST_EXACT) and say_all(texts, found) else None


def say_all(texts: pa.Array, values: pa.Array) -> bool:
    """Whether floats are certainly what their strings say (`numbers.says_all`)."""
    small = texts.filter(pc.less(pc.abs(values), SMALLEST_NORMAL))
    zeros = pc.match_substring_regex(small, _NOTHING_BUT_ZEROS)
    if pc.any(pc.is_inf(values)).as_py() or not pc.all(zeros, min_count=0).as_py():
        return False
    # One more for the decimal point.
    long = texts.filter(pc.greater(pc.binary_length(texts), FLOAT_DIGITS + 1))
    digits = pc.utf8_ltrim(pc.replace_substring_regex(long, _NOT_DIGITS, ""), "0")
    return not pc.any(pc.greater(pc.utf8_length(digits), FLOAT_DIGITS)).as_py()


def _spans(texts: pa.Array) -> tuple[Numbers, Numbers, Bytes]:
    """Where strings begin and end, and the bytes; none is null."""
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return places[:-1], places[1:], np.frombuffer(data, np.uint8) if data and data.size else np.zeros(1, np.uint8)


def _written_plainly(texts: pa.Array, ends_well: Callable[[Bytes, Mask, Mask], Mask]) -> bool:
    """Whether strings that Arrow parses as numbers are only digits, with a minus and without leading zeros."""
    if not len(texts):
        return True
    begin, end, data = _spans(texts)
    if (begin == end).any():
        return False
    last = len(data) - 1
    negative = data[begin] == _MINUS
    begin = begin + negative
    first, second = data[np.minimum(begin, last)], data[np.minimum(begin + 1, last)]
    zero = first == _ZERO
    # `0`, `0.5`, `0e1`; not `-0`, which is a float.
    longer = zero & (end - begin > 1)
    good = _is_digit(first) | (first == _POINT)
    return bool(
        (good & ~(longer & _is_digit(second)) & ends_well(data[end - 1], zero & negative & ~longer, longer)).all()
    )


def _ends_in_digit(last: Bytes, minus_zero: Mask, longer: Mask) -> Mask:
    found: Mask = _is_digit(last) & ~minus_zero & ~longer
    return found


def _ends_in_digit_or_point(last: Bytes, minus_zero: Mask, longer: Mask) -> Mask:  # noqa: ARG001 - may be both
    found: Mask = _is_digit(last) | (last == _POINT)
    return found


def _is_digit(chars: Bytes) -> Mask:
    found: Mask = (chars >= _ZERO) & (chars <= _NINE)
    return found
