"""Numbers as texts write them: exactly, or not at all."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cell_builder import INT64, UINT64

INTEGER = r"(?:0|-?[1-9][0-9]*)"
"""An integer as programs write it: no zeros before it, no plus, and no minus zero, which is a float's."""
FLOAT = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A float as programs write it."""
FLOAT_DIGITS = 17
"""With as many significant digits every float can be told from its neighbours."""
SMALLEST_NORMAL = 2.0**-1022
"""Below this floats have fewer digits."""
_MOST_DIGITS = 20
"""Of an integer of 64 bits."""
LONGEST_NUMBER = 400
"""Of what a float may be: longer texts are some other thing."""

_INTEGER = re.compile(INTEGER)
_FLOAT = re.compile(FLOAT)
_ANY_INTEGER = re.compile(r"-?[0-9]+")
_ANY_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_NOT_DIGITS = re.compile(r"[eE].*|[-.]")

Number = tuple[ColumnType, int | float]


def number_of(text: str) -> Number | None:
    """The number that a text of no declared type is; None where it is not exactly one, and so a text.

    `0042`, `1e400` and integers of 21 digits are none: as numbers they would be others.
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
    """Whether a float is what its text says, as far as a program could have meant a float by it.

    Up to 17 digits it is the nearest one. More of them have to be its own, as when `printf("%.20g")` wrote them.
    """
    digits = _NOT_DIGITS.sub("", text).lstrip("0")
    if not digits or math.isinf(value) or not value:
        return not digits
    if len(digits) <= FLOAT_DIGITS and abs(value) >= SMALLEST_NORMAL:
        return True
    return Decimal(f"{value:.{len(digits) - 1}e}") == Decimal(text)


def float_of(text: str) -> float | None:
    """The nearest float to a number in text; None where none is near: the number is too large or too small."""
    value = float(text)
    if math.isinf(value) or (not value and _NOT_DIGITS.sub("", text).strip("0")):
        return None
    return value


def declared_number(text: str, kind: ColumnType) -> int | float | None:
    """The number that a text is of a type that was declared for it; None where it is none of that type.

    What is declared a number may have zeros before it. Of floats with a fraction it is the nearest one.
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
    # Where the exponent is large there are that many digits.
    return int(number) if number.adjusted() <= _MOST_DIGITS and number == number.to_integral_value() else None
