"""Formats points of the demonstration as line protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_IN_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_IN_KEY = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An unsigned integer, which Python has no type of its own for."""

    value: int


Value = float | int | Unsigned


def series(measurement: str, tags: Mapping[str, str]) -> str:
    """The measurement and tags of a line, the same for every point of a series."""
    pairs = (f",{key.translate(_IN_KEY)}={value.translate(_IN_KEY)}" for key, value in sorted(tags.items()) if value)
    return measurement.translate(_IN_MEASUREMENT) + "".join(pairs)


def point(series: str, fields: Mapping[str, Value], time_ns: int) -> str:
    """Format a point as a line."""
    return f"{series} {','.join(f'{name}={_text(value)}' for name, value in fields.items())} {time_ns}"


def _text(value: Value) -> str:
    if isinstance(value, Unsigned):
        return f"{value.value}u"
    return f"{value}i" if isinstance(value, int) else repr(float(value))
