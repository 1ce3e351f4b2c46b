"""Lengths of time and amounts of data as people write them: `10m`, `1h30m`, `512MB`, `1GiB`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DURATION_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

DURATION_PATTERN = r"^\s*(\d+\s*(w|d|h|ms|m|s)\s*)+$"
SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*([kKmMgGtT]i?)?[bB]?\s*$"

_DURATION = re.compile(r"(\d+\s*(ms|[wdhms])\s*)+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)\s*(ms|[wdhms])", re.ASCII)
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.ASCII | re.IGNORECASE)
_SIZE_FACTORS = {unit.lower().removesuffix("b"): factor for unit, factor in SIZE_UNITS.items()}


def parse_duration(value: object) -> timedelta:
    """Read `10m`, `1h30m`, `7d`, `2w`, `1500ms` or `0`.

    Raises:
        ValueError: The value is not a length of time with units.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if text == "0":
        return timedelta(0)
    if _DURATION.fullmatch(text) is None:
        raise ValueError("is not a length of time: write a number with its unit, such as 30s, 10m, 1h30m, 7d or 2w")
    try:
        parts = [int(count) * DURATION_UNITS[unit] for count, unit in _DURATION_PART.findall(text)]
        return sum(parts, timedelta(0))
    except (OverflowError, ValueError):
        raise ValueError("is longer than any time that can be counted") from None


def format_duration(value: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it: `1h30m`.

    Raises:
        ValueError: The duration is negative, or finer than a millisecond.
    """
    if value < timedelta(0) or value % DURATION_UNITS["ms"]:
        raise ValueError(f"{value!r} has no text: durations are counted in milliseconds, from 0")
    parts = []
    for unit, length in DURATION_UNITS.items():
        count, value = divmod(value, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_roughly(value: timedelta) -> str:
    """Write a duration for people: seconds of hours tell nobody anything."""
    unit = timedelta(minutes=1) if value >= timedelta(hours=1) else timedelta(seconds=1)
    return format_duration(max(value // unit * unit, timedelta(0)))


def counted(count: int, noun: str) -> str:
    """A number of things, for people: `1 window`, `2 windows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def parse_size(value: object) -> int:
    """Read `512MB`, `1GiB`, `64 kB` or a number of bytes. `MB` is a million bytes, `MiB` is 2^20.

    Raises:
        ValueError: The value is not a whole number of bytes.
    """
    match = _SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError("is not an amount of data: write a number with its unit, such as 64MB, 512MiB or 1GB")
    size = Decimal(match[1]) * _SIZE_FACTORS[(match[2] or "").lower()]
    if size != int(size):
        raise ValueError("is not a whole number of bytes")
    return int(size)


def format_size(value: int) -> str:
    """Write a number of bytes the way `parse_size` reads it, in the largest unit that stays whole: `512MB`."""
    fitting = [(factor, unit) for unit, factor in SIZE_UNITS.items() if value >= factor and value % factor == 0]
    factor, unit = max(fitting, default=(1, "B"))
    return f"{value // factor}{unit}"


def _duration_json(value: timedelta) -> str:
    return format_duration(value)


def _whole_size(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else parse_size(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(_duration_json, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "10m", "1h30m", "7d", "2w"]}),
]
"""A length of time, written with units."""

Size = Annotated[
    int,
    BeforeValidator(_whole_size),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": SIZE_PATTERN}, {"type": "integer", "minimum": 1}],
            "examples": ["64MB", "512MB", "1GiB"],
        }
    ),
]
"""An amount of data in bytes, written with units."""
