"""Converts Go time layouts (examples of 2006-01-02 15:04:05 MST) to formats of `strftime`."""

from __future__ import annotations

import re

_ELEMENTS = {
    "January": "%B",
    "Jan": "%b",
    "Monday": "%A",
    "Mon": "%a",
    "2006": "%Y",
    "06": "%y",
    "002": "%j",
    "01": "%m",
    "1": "%-m",
    "02": "%d",
    "2": "%-d",
    "15": "%H",
    "03": "%I",
    "3": "%-I",
    "04": "%M",
    "4": "%-M",
    "05": "%S",
    "5": "%-S",
    "PM": "%p",
}
_OF_UTC = {"MST": "UTC", "-07:00": "+00:00", "-0700": "+0000", "-07": "+00", "Z07:00": "Z", "Z0700": "Z", "Z07": "Z"}
_FRACTIONS = {3: "%g", 6: "%f", 9: "%n"}
_PARTS = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|002|Z07:00|Z0700|Z07|-07:00|-0700|-07"
    r"|[.,](?:0+|9+)(?!\d)|__2|_2(?!006)|0[1-6]|15|PM|pm|[12345]"
)


def strftime_format(layout: str, *, is_utc: bool) -> str | None:
    """Convert a layout to a format for DuckDB's `strftime`; None where there is no equivalent.

    Args:
        layout: The layout, https://pkg.go.dev/time#pkg-constants.
        is_utc: Whether the times are in UTC, whose zone can be written.
    """
    written, at = "", 0
    for found in _PARTS.finditer(layout):
        element = found[0]
        written += layout[at : found.start()].replace("%", "%%")
        at = found.end()
        if element in _ELEMENTS:
            written += _ELEMENTS[element]
        elif is_utc and element in _OF_UTC:
            written += _OF_UTC[element]
        elif element[0] in ".," and element[1] == "0" and len(element) - 1 in _FRACTIONS:
            written += element[0] + _FRACTIONS[len(element) - 1]
        else:
            return None
    return written + layout[at:].replace("%", "%%")
