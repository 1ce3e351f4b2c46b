"""The option `formats`: how strings are parsed when they are cast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TypeAlias

_NUMBER = re.compile(r"1(?P<grouping>[., '\u2019_]?)234(?:(?P<point>[.,])56)?")
_NUMBERS = ("int", "long", "float", "double", "decimal")
_TIMES = ("timestamptz", "timestamp", "date")


class UnixTime(StrEnum):
    """The unit of integers that count since 1970."""

    SECONDS = "unix"
    MILLISECONDS = "unix_ms"
    MICROSECONDS = "unix_us"
    NANOSECONDS = "unix_ns"


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A time format for DuckDB's `strptime`."""

    text: str


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format: the thousands separator and the decimal separator."""

    grouping: str
    point: str


@dataclass(frozen=True, slots=True)
class BooleanFormat:
    """The words for true and false, in any case."""

    true: str
    false: str


Format: TypeAlias = UnixTime | TimeFormat | NumberFormat | BooleanFormat


def parse_format(text: str, iceberg_type: str) -> Format:
    """Parse the format for strings that become values of a type.

    Raises:
        ValueError: It is not a format for this type.
    """
    kind = iceberg_type.partition("(")[0]
    if kind == "boolean":
        return _boolean(text)
    if kind in _NUMBERS:
        return _number(text)
    if kind in _TIMES:
        return _time(text)
    raise ValueError(f"is for texts that become something else, and `types` makes {iceberg_type} of the column")


def _boolean(text: str) -> BooleanFormat:
    words = [word.strip() for word in text.split("/")]
    if len(words) != 2 or not all(words) or words[0].lower() == words[1].lower():
        raise ValueError("does not say the words for true and false: write both, such as yes/no")
    return BooleanFormat(*words)


def _number(text: str) -> NumberFormat:
    found = _NUMBER.fullmatch(text)
    if found is None or found["grouping"] == found["point"]:
        raise ValueError("does not show how a number is written: write 1234.56 the way texts have it, such as 1.234,56")
    grouping = found["grouping"]
    return NumberFormat(grouping, found["point"] or ("," if grouping == "." else "."))


def _time(text: str) -> TimeFormat | UnixTime:
    if text in tuple(UnixTime):
        return UnixTime(text)
    if "%" not in text:
        raise ValueError(
            "is not how times are written: write it as for strptime, such as %d.%m.%Y %H:%M:%S, or unix, unix_ms, "
            "unix_us or unix_ns"
        )
    if find_spec("duckdb") is not None:
        import duckdb

        try:
            duckdb.connect(":memory:").execute("SELECT try_strptime(NULL::VARCHAR, ?)", [text])
        except duckdb.Error as error:
            raise ValueError(
                f"is not how times are written for strptime (DuckDB: {str(error).splitlines()[0]})"
            ) from None
    return TimeFormat(text)
