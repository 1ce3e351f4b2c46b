"""Reads files of line protocol for `influx-lake demo --load`."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TextIO

from influx_lake.errors import ConfigurationError

_LINES_AT_ONCE = 20_000


def read_lines(path: Path) -> Iterator[str]:
    """The points of a file, which may be compressed by gzip, each with all of its lines.

    Raises:
        ConfigurationError: The file cannot be read, or is not text.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as raw, TextIOWrapper(raw, "utf-8", newline="\n") as text:
            yield from _points(text)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8", remedy="Give a file of line protocol") from None
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path} cannot be read: {reason}", remedy="Give a file of line protocol") from None


def _points(file: TextIO) -> Iterator[str]:
    """Join lines of points whose strings contain newlines."""
    from influx_lake.sandbox.storage.line_protocol import logical_line

    held: list[str] = []
    while read := [line.rstrip("\r\n") for line in islice(file, _LINES_AT_ONCE)]:
        lines, held, index = [*held, *read], [], 0
        while index < len(lines):
            point, following = logical_line(lines, index)
            if following >= len(lines):
                # The last line of a block may continue in the next one.
                held = lines[index:]
                break
            if _holds_point(point):
                yield point
            index = following
    if _holds_point(last := "\n".join(held)):
        yield last


def _holds_point(text: str) -> bool:
    """Whether a line is neither blank nor a comment; lines of multi-line strings are left to the server."""
    return "\n" in text or bool(text.strip() and not text.startswith("#"))
