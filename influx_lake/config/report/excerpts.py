"""Validates strings: not empty, not too long, no invisible characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from influx_lake.config.report.diagnostics import Location

LONGEST = 2_000
LONGEST_PROSE = 100_000
PROSE = frozenset({"description", "condition"})
"""Options whose strings may have several lines."""
MAY_BE_EMPTY = frozenset({"accepted_values", "tags"})
"""Options that may be an empty string."""
MAY_BE_BLANK = frozenset({"delimiter"})
"""Options that may be a space or tab."""

_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
_EMPTY = "is empty: give it a value, or leave the option out"
_UNSEEN = frozenset({"Cc", "Cs"})
# Marks that turn the direction of what is shown, and the byte order mark.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
# Spaces without width, hyphens that are shown at a line's end only, operators and letters without a shape.
_BLANK = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u206a\u206b\u206c\u206d\u206e\u206f"
    "\u2800\u3164\uffa0\ufff9\ufffa\ufffb"
)
# Joiners are letters' own, and those of emoji: beside others, and at an end, they join nothing.
_LONELY_JOINER = re.compile(r"(?:^|[\x00-\x7f])([\u200c\u200d])|([\u200c\u200d])(?:[\x00-\x7f]|$)", re.DOTALL)


def unreadable(data: Any, inside: Location = ()) -> Iterator[tuple[Location, str]]:
    """The invalid strings in nested data, each with the mistake.

    Args:
        data: The data, in which secrets are `Secret`s.
        inside: Its path.
    """
    if isinstance(data, dict):
        for name, entry in data.items():
            if reason := _reason(str(name), inside):
                yield (*inside, name), f"its name {reason}"
            else:
                yield from unreadable(entry, (*inside, name))
    elif isinstance(data, list | tuple):
        for place, item in enumerate(data):
            yield from unreadable(item, (*inside, place))
    elif isinstance(data, str) and (reason := _reason(data, inside)):
        yield inside, reason


def text_mistake(text: str, *, lines: bool = False, longest: int = LONGEST, given: bool = False) -> str | None:
    """The mistake in a string; None where it is valid.

    Args:
        text: The text.
        lines: Whether it may have several lines.
        longest: The greatest length in characters.
        given: Whether it is a name given by a database, which may contain invisible characters.
    """
    if not text.strip():
        return _EMPTY
    if len(text) > longest:
        return f"has {len(text):,} characters: no more than {longest:,} are taken"
    # What is printable holds nothing strange: nearly no text has to be looked at letter by letter.
    blank = frozenset[str]() if given else _BLANK
    letters = "" if text.isprintable() and blank.isdisjoint(text) else text
    strange = next((each for each in letters if _is_strange(each, blank) and not (lines and each in "\n\r\t")), None)
    if strange is None and letters and not given and (lonely := _LONELY_JOINER.search(text)):
        strange = lonely[1] or lonely[2]
    if strange is None:
        return None
    if strange in _LINE_BREAKS:
        return "holds a line break: write it in one line"
    if strange == "\t":
        return "holds a tab: write spaces"
    return f"holds the character U+{ord(strange):04X}, which nobody sees: take it out"


def _reason(text: str, inside: Location) -> str | None:
    names = {str(part) for part in inside}
    if not text and names & MAY_BE_EMPTY:
        return None
    if text in (" ", "\t") and names & MAY_BE_BLANK:
        return None
    is_prose = bool(names & PROSE)
    longest = LONGEST_PROSE if is_prose else LONGEST
    return text_mistake(text, lines=is_prose, longest=longest)


def _is_strange(character: str, blank: frozenset[str]) -> bool:
    return unicodedata.category(character) in _UNSEEN or character in _TURNING | blank or character in _LINE_BREAKS
