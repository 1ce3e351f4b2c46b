"""Parses numbers from text exactly, or not at all."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cell_builder import INT64, UINT64

INTEGER = r"(?:0|-?[1-9][0-9]*)"
"""An integer as programs write it: no leading zeros, no plus, and no minus zero, which is a float."""
FLOAT = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A float as programs write it."""
FLOAT_DIGITS = 17
"""The number of significant digits that distinguish all floats."""
SMALLEST_NORMAL = 2.0**-1022
"""Smaller floats have fewer digits."""
_MOST_DIGITS = 20
"""The most digits of a 64-bit integer."""
LONGEST_NUMBER = 400
"""The longest text of a float; longer texts are something else."""

_INTEGER = re.compile(INTEGER)
_FLOAT = re.compile(FLOAT)
_ANY_INTEGER = re.compile(r"-?[0-9]+")
_ANY_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_NOT_DIGITS = re.compile(r"[eE].*|[-.]")

Number = tuple[ColumnType, int | float]


def number_of(text: str) -> Number | None:
    """The number that a text without declared type stands for; None if it is not exactly one, and so a string.

    `0042`, `1e400` and integers of 21 digits are strings: as numbers they would change.
    """
    if _INTEGER.fullmatch(text):
        return _whole(text)
    if len(text) <= LONGEST_NUMBER and _FLOAT.fullmatch(text) and says_all(text, value := float(text)):
        return ColumnType.FLOAT, value
    return None


def _whole(text: str) -> Number | None:
    if len(text) <= _MOST_DIGITS:
        value = int(text)
        if value in INT64:
            return ColumnType.INTEGER, value
        if value in UINT64:
            return ColumnType.UINTEGER, value
    if len(text) < LONGEST_NUMBER and not math.isinf(near := float(text)) and int(near) == int(text):
        return ColumnType.FLOAT, near
    return None


def says_all(text: str, value: float) -> bool:
    """Whether a float is exactly what its text says, as far as a program could have meant a float by it.

    With up to 17 digits it is the nearest float. More digits must be those of the float, as written by
    `printf("%.20g")`.
    """
    digits = _NOT_DIGITS.sub("", text).lstrip("0")
    if not digits or math.isinf(value) or not value:
        return not digits
    if len(digits) <= FLOAT_DIGITS and abs(value) >= SMALLEST_NORMAL:
        return True
    return Decimal(f"{value:.{len(digits) - 1}e}") == Decimal(text)


def float_of(text: str) -> float | None:
    """The nearest float to a number in text; None if the number is too large or too small."""
    value = float(text)
    if math.isinf(value) or (not value and _NOT_DIGITS.sub("", text).strip("0")):
        return None
    return value


def declared_number(text: str, kind: ColumnType) -> int | float | None:
    """The number of a text with a declared type; None if it is not of that type.

    Declared numbers may have leading zeros. Fractions become the nearest float.
    """
    if len(text) > LONGEST_NUMBER or not _ANY_NUMBER.fullmatch(text):
        return None
    whole = _whole_value(text)
    if kind is ColumnType.FLOAT:
        near = float_of(text)
        return None if near is None or (_ANY_INTEGER.fullmatch(text) and int(near) != whole) else near
    return whole if whole is not None and whole in (UINT64 if kind is ColumnType.UINTEGER else INT64) else None


def _whole_value(text: str) -> int | None:
    if _ANY_INTEGER.fullmatch(text):
        return int(text)
    number = Decimal(text)
    # A large exponent means as many digits.
    return int(number) if number.adjusted() <= _MOST_DIGITS and number == number.to_integral_value() else None
