"""Parses and formats numbers, durations and sizes with units: `4`, `10m`, `1h30m`, `512MB`, `1GiB`."""

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

LONGEST_DURATION = timedelta(days=36_525)
"""A hundred years: more than any time range in InfluxDB, and safe to add to any time in it."""
LARGEST = 2**63 - 1
"""The largest integer that files, tables and servers accept."""

# Each unit once, the longest first.
DURATION_PATTERN = r"^\s*(?=[0-9])" + "".join(rf"([0-9]{{1,15}}\s*{unit}\s*)?" for unit in DURATION_UNITS) + "$"
SIZE_PATTERN = r"^\s*(0|[1-9][0-9]{0,18})(\.[0-9]{1,9})?\s*([kKmMgGtT]i?)?[bB]?\s*$"

_DURATION = re.compile(DURATION_PATTERN)
_DURATION_PART = re.compile(r"([0-9]+)\s*(ms|[wdhms])")
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_YES_NO = {
    spell(word): answer
    for word, answer in {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.items()
    for spell in (str.lower, str.capitalize, str.upper)
}
_SIZE = re.compile(r"\s*((?:0|[1-9][0-9]*)(?:\.[0-9]+)?)\s*([kmgt]i?)?b?\s*", re.ASCII | re.IGNORECASE)
_SIZE_FACTORS = {unit.lower().removesuffix("b"): factor for unit, factor in SIZE_UNITS.items()}


def parse_duration(value: object) -> timedelta:
    """Parse `10m`, `1h30m`, `7d`, `2w`, `1500ms` or `0`.

    Raises:
        ValueError: It is not a duration with units.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if text == "0":
        return timedelta(0)
    if isinstance(value, list | dict) or _DURATION.match(text) is None:
        raise ValueError("is not a length of time: write a number with its unit, such as 30s, 10m, 1h30m, 7d or 2w")
    try:
        parts = [int(count) * DURATION_UNITS[unit] for count, unit in _DURATION_PART.findall(text)]
        total = sum(parts, timedelta(0))
    except OverflowError:
        total = timedelta.max
    if total > LONGEST_DURATION:
        raise ValueError("is longer than a hundred years, the longest time that can be given")
    return total


def parse_whole_number(value: object) -> int:
    """Parse `4`, `-1` or `+3`: digits only, without leading zeros.

    Raises:
        ValueError: It is not an integer in the range that files and tables hold.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("is not a whole number: write it in digits, such as 4")
    if len(text) > len(str(LARGEST)) or abs(int(text)) > LARGEST:
        raise ValueError("is too large a number: it has at most 19 digits")
    return int(text)


def parse_number(value: object) -> float:
    """Parse `4`, `0.5` or `1e-3`.

    Raises:
        ValueError: It is not a finite number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("is not a number: write it in digits, such as 4 or 0.5")
    return float(text)


def parse_yes_no(value: object) -> bool:
    """Parse `true`, `false`, and YAML's synonyms `yes`, `no`, `on`, `off`.

    Raises:
        ValueError: It is none of them.
    """
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.strip() not in _YES_NO:
        raise ValueError("is not one of true, false")
    return _YES_NO[value.strip()]


def format_duration(value: timedelta) -> str:
    """Format a duration as `parse_duration` reads it: `1h30m`.

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
    """Format a duration for people, without insignificant units."""
    unit = timedelta(minutes=1) if value >= timedelta(hours=1) else timedelta(seconds=1)
    return format_duration(max(value // unit * unit, timedelta(0)))


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 window`, `2 windows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def parse_size(value: object) -> int:
    """Parse `512MB`, `1GiB`, `64 kB` or a number of bytes. `MB` is a million bytes, `MiB` is 2^20.

    `pydantic.ByteSize` refuses `1Mi`, truncates `1.5B` to 1, rounds large numbers, and accepts bits: `1kbit`.

    Raises:
        ValueError: It is not a whole number of bytes.
    """
    match = _SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError("is not an amount of data: write a number with its unit, such as 64MB, 512MiB or 1GB")
    if len(match[1]) > len(str(LARGEST)):
        raise ValueError("is more data than can be counted")
    size = Decimal(match[1]) * _SIZE_FACTORS[(match[2] or "").lower()]
    if size > LARGEST:
        raise ValueError("is more data than can be counted")
    if size != int(size):
        raise ValueError("is not a whole number of bytes")
    return int(size)


_OF_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def format_size(value: int) -> str:
    """Format a size as `parse_size` reads it, in the largest unit that gives an integer: `512MB`."""
    fitting = [(factor, unit) for unit, factor in SIZE_UNITS.items() if value >= factor and value % factor == 0]
    factor, unit = max(fitting, default=(1, "B"))
    return f"{value // factor}{unit}"


def format_bytes(value: float) -> str:
    """Format a size for people, in powers of ten with three digits: `5.82 MB`."""
    unit = 0
    while value >= 999.5 and unit < len(_OF_BYTES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} B" if unit == 0 else f"{value:.3g} {_OF_BYTES[unit]}"


def _duration_json(value: timedelta) -> str:
    return format_duration(value)


def _whole_size(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else parse_size(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(_duration_json, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": f"{DURATION_PATTERN}|^0$"}, {"const": 0}],
            "examples": ["30s", "10m", "1h30m", "7d", "2w"],
        }
    ),
]
"""A duration with units."""

WholeNumber = Annotated[int, BeforeValidator(parse_whole_number)]
"""An integer, in digits."""

Number = Annotated[float, BeforeValidator(parse_number)]
"""A finite number, in digits."""

YesNo = Annotated[
    bool,
    BeforeValidator(parse_yes_no),
    WithJsonSchema(
        {"anyOf": [{"type": "boolean"}, {"enum": [word for word in _YES_NO if word.lower() not in ("true", "false")]}]}
    ),
]
"""A boolean: `true`, `false`, or one of YAML's synonyms."""

Size = Annotated[
    int,
    BeforeValidator(_whole_size),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": SIZE_PATTERN},
                {"type": "integer", "minimum": 1, "maximum": LARGEST},
            ],
            "examples": ["64MB", "512MB", "1GiB"],
        }
    ),
]
"""A size in bytes, with units."""
