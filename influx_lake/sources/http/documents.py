"""JSON documents of answers, as strict as their senders are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from influx_lake.sources.http.failures import HttpFailures


def json_of(text: bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is no JSON in UTF-8, holds `NaN` or `Infinity`, which JSON does not have, or is nested deeper
            than any answer of a server is.
    """
    try:
        return json.loads(text.decode(), parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


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
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            pending.append(end)
            if line := b"".join(pending).strip():
                failures.check_size(len(line))
                yield line + b"\n"
            pending, size = [], 0
        pending.append(rest)
        size += len(rest)
        failures.check_size(size)
    if line := b"".join(pending).strip():
        yield line
