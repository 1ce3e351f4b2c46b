"""Parses JSON documents of responses strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from influx_lake.config import redact
from influx_lake.sources.http.failures import HttpFailures

_NEGATIVE_ZERO = re.compile(rb"-0(?![.0-9eE])")
SHOWN = 200
"""How many characters of an unexpected response are shown."""
_AROUND = 10_000
"""How many characters on both sides are searched for secrets."""


def json_of(text: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: It is not JSON in UTF-8, holds `NaN` or `Infinity`, which JSON does not have, or is nested too
            deeply.
    """
    # Python parses `-0` as the integer 0; InfluxQL means the float -0.0.
    integer = _integer if _NEGATIVE_ZERO.search(text) else None
    try:
        return json.loads(text.decode(), parse_constant=_no_constant, parse_int=integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _integer(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def not_json(text: bytes, error: ValueError) -> str:
    """Why `json_of` refused a text, with the place in it.

    Args:
        text: The text.
        error: The exception of `json_of`.
    """
    if not text.strip():
        return "the response is empty, and not JSON"
    if isinstance(error, UnicodeDecodeError):
        return f"the response is not JSON: byte {error.start + 1:,} is not UTF-8"
    if not isinstance(error, json.JSONDecodeError):
        return f"the response is not JSON: {error}"
    at = error.pos
    if at >= len(error.doc.rstrip()):
        return f"the response is not JSON: it ends in the middle, after {shown(error.doc[-SHOWN:])}"
    place = "" if not error.doc[:at].strip() else f" from character {at + 1:,} on"
    return f"the response is not JSON{place}: {shown(error.doc, at)}"


def shown(text: str, at: int = 0) -> str:
    """An excerpt of a text for a message, without secrets."""
    around = text[max(0, at - _AROUND) : at + _AROUND]
    safe = redact(around)
    part = safe[min(at, _AROUND) :] if safe == around else safe
    return repr(part[:SHOWN]) + (", and more" if len(part) > SHOWN else "")


def error_in(document: Any) -> str | None:
    """The server's message in a document that it sends instead of a result: `{"error": "..."}`; None without one."""
    said = document.get("error") if isinstance(document, dict) else None
    return said if isinstance(said, str) and said else None


def bounded(chunks: Iterable[bytes], failures: HttpFailures) -> Iterator[bytes]:
    """The chunks of a response that is held as a whole.

    Raises:
        SourceError: It is larger than the source's `max_document`.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        failures.check_size(size)
        yield chunk


def lines(chunks: Iterable[bytes], failures: HttpFailures) -> Iterator[bytes]:
    """The non-empty lines of a response, each with its line break; only the last one may lack it.

    JSON escapes line breaks in strings, so no document contains one.

    Raises:
        SourceError: A line is larger than the source's `max_document`.
    """
    pending, size = list[bytes](), 0
    for chunk in chunks:
        start = 0
        while end := chunk.find(b"\n", start) + 1:
            line = b"".join([*pending, chunk[start:end]])
            pending, size, start = [], 0, end
            if not line.isspace():
                failures.check_size(len(line))
                yield line
        pending.append(chunk[start:])
        size += len(pending[-1])
        failures.check_size(size)
    if line := b"".join(pending).strip():
        yield line
