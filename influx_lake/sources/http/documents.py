"""JSON documents of answers, as strict as their senders are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from influx_lake.config import redact
from influx_lake.sources.http.failures import HttpFailures

_NEGATIVE_ZERO = re.compile(rb"-0(?![.0-9eE])")
SHOWN = 200
"""How many characters of what came instead of an answer are shown."""
_AROUND = 10_000
"""How many on both sides are looked through for secrets."""


def json_of(text: bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is no JSON in UTF-8, holds `NaN` or `Infinity`, which JSON does not have, or is nested deeper
            than any answer of a server is.
    """
    # Python takes `-0` for the integer, which has no sign; InfluxQL writes the float so.
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
    """What is wrong with a text that `json_of` did not take, with the part of it where that shows.

    Args:
        text: The text.
        error: What `json_of` raised.
    """
    if not text.strip():
        return "nothing came where JSON was asked for"
    if isinstance(error, UnicodeDecodeError):
        return f"what came is not JSON: byte {error.start + 1:,} is no UTF-8"
    if not isinstance(error, json.JSONDecodeError):
        return f"what came is not JSON: {error}"
    at = error.pos
    if at >= len(error.doc.rstrip()):
        return f"what came is not JSON: it ends in the middle, after {shown(error.doc[-SHOWN:])}"
    place = "" if not error.doc[:at].strip() else f" from character {at + 1:,} on"
    return f"what came is not JSON{place}: {shown(error.doc, at)}"


def shown(text: str, at: int = 0) -> str:
    """Some characters of a text, for a message, with nothing secret in them."""
    around = text[max(0, at - _AROUND) : at + _AROUND]
    safe = redact(around)
    part = safe[min(at, _AROUND) :] if safe == around else safe
    return repr(part[:SHOWN]) + (", and more" if len(part) > SHOWN else "")


def error_in(document: Any) -> str | None:
    """What a server says in a document that it sends in place of an answer: `{"error": "..."}`."""
    said = document.get("error") if isinstance(document, dict) else None
    return said if isinstance(said, str) and said else None


def bounded(chunks: Iterable[bytes], failures: HttpFailures) -> Iterator[bytes]:
    """An answer that is held as a whole.

    Raises:
        SourceError: It is larger than the source's `max_document`.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        failures.check_size(size)
        yield chunk


def lines(chunks: Iterable[bytes], failures: HttpFailures) -> Iterator[bytes]:
    """The lines of an answer that are not empty, each with its end: only the stream's last one can be without.

    JSON escapes the ends of lines in strings, so that none is inside a document.

    Raises:
        SourceError: One is larger than the source's `max_document`.
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
