"""Parses JSON objects: one per line, concatenated, over several lines, in arrays, or many under `metrics`."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.files.limits import FileLimits
from influx_lake.sources.landing_zone.numbers import LONGEST_NUMBER, float_of
from influx_lake.sources.landing_zone.unreadable_part import NamedTwice, NotHeld, Unreadable, WrittenFloat

Records = Iterator[tuple[int, object]]
"""Each record with its line number."""
Lines = Iterator[tuple[int, bytes]]

_EXACT_CHARS = 16
"""A decimal of no more characters has no more digits than floats hold."""
_BLANK = re.compile(r"[\s\x1e]*")
_BRACKETS = re.compile(r'"(?:[^"\\\n]|\\.)*"|["\[\]{}]')
_ODD_NUMBER = re.compile(rb"[:\[,]\s*-0\s*[,}\]\s]|[0-9.][eE]-[0-9]{3}")
_DEEP = "is nested too deeply"


@dataclass(slots=True)
class JsonDocuments:
    """The records of a file.

    Attributes:
        lines: Its lines.
        uri: The file's URI.
        limits: The size limits of documents.
        timestamp: The column of the time; its occurrences in an unreadable part count the bad records.
        pause: Whether to stop after a document, to continue later with the lines available then.
    """

    lines: Lines
    uri: str
    limits: FileLimits
    timestamp: str
    pause: Callable[[], bool] = lambda: False
    _again: deque[tuple[int, bytes]] = field(default_factory=deque)
    _within: bool = False

    @property
    def between(self) -> bool:
        """Whether no document was begun of the lines that were read."""
        return not (self._within or self._again)

    def records(self) -> Records:
        """The records. An unreadable part counts as one bad record per time in it: a line may hold many points."""
        while (numbered := self._next()) is not None:
            yield from self._of_line(*numbered)
            if not self._again and self.pause():
                return

    def _of_line(self, number: int, line: bytes) -> Records:
        """The records that begin in a line."""
        if line.isspace():
            return
        try:
            # NaN and Infinity are not JSON (RFC 8259).
            document = from_json(line, allow_inf_nan=False)
        except ValueError:
            yield from self._closely(number, line)
            return
        records = _records(document)
        if self._is_plain(document, records, line):
            for record in records:
                yield number, record
        else:
            yield from self._closely(number, line)

    def _next(self) -> tuple[int, bytes] | None:
        return self._again.popleft() if self._again else next(self.lines, None)

    def _is_plain(self, document: object, records: Sequence[object], line: bytes) -> bool:
        """Whether the fast parser lost nothing: it keeps one of two duplicates, and no more digits than floats hold."""
        if _names(document) != line.count(b'":'):
            return False
        if (b"-0" in line or b"e-" in line or b"E-" in line) and _ODD_NUMBER.search(line):
            return False
        for record in records:
            time = record.get(self.timestamp) if type(record) is dict else None
            if type(time) is float and len(repr(time)) > _EXACT_CHARS:
                return False
        return True

    def _closely(self, number: int, line: bytes) -> Records:
        """Parse a line that is not one plain document with the exact parser."""
        try:
            text = line.removeprefix(UTF8_MARK).decode()
        except UnicodeDecodeError:
            yield from self._bad(number, "is not UTF-8", line.decode(errors="backslashreplace"))
            return
        at = _after_blank(text, 0)
        while at < len(text):
            try:
                document, end = _DECODER.raw_decode(text, at)
            except RecursionError:
                yield from self._bad(number, _DEEP, text[at:])
                return
            except ValueError as error:
                longer = self._completed(number, text[at:])
                if longer is None:
                    yield from self._bad(number, f"is not JSON: {_cause(error)}", text[at:])
                    return
                text, at = longer, 0
                continue
            for record in _records(document):
                yield number, _checked(record)
            at = _after_blank(text, end)

    def _completed(self, number: int, text: str) -> str | None:
        """A document with the lines in which it continues; None if it is not a document, and these lines are kept."""
        depth, lowest = _nesting(text)
        self._within = True
        parts, taken, size, looking = [text], list[tuple[int, bytes]](), len(text), 2
        closed = lowest <= 0
        while depth > 0 and not closed and (following := self._next()) is not None:
            taken.append(following)
            size += len(following[1])
            self.limits.check_line(size, self.uri, number)
            parts.append(following[1].decode(errors="replace"))
            change, lowest = _nesting(parts[-1])
            closed = depth + lowest <= 0
            depth += change
            if len(parts) == looking:
                looking *= 2
                # A truncated line is recognised as soon as the next line cannot continue it.
                if not _is_begun("".join(parts)):
                    break
        self._within = False
        whole = "".join(parts)
        if taken and closed and _is_document(whole):
            return whole
        self._again.extendleft(reversed(taken))
        return None

    def _bad(self, number: int, reason: str, text: str) -> Records:
        yield number, Unreadable(reason, text)
        for _ in range(text.count(json.dumps(self.timestamp)) - 1):
            yield number, Unreadable(f"{reason}, and contains several points", "")


def _records(document: object) -> Sequence[object]:
    """The records of a document."""
    if type(document) is list:
        return [record for each in document for record in _records(each)] if document else ()
    metrics = document.get("metrics") if isinstance(document, dict) else None
    if type(metrics) is not list:
        return (document,)
    if isinstance(document, dict) and len(document) > 1:
        return [Unreadable("is in `metrics`, next to which there are other columns", "") for _ in metrics or [None]]
    return metrics


def _names(value: object) -> int:
    """How many names the objects in a value have."""
    if type(value) is dict:
        return len(value) + sum(_names(each) for each in value.values() if type(each) is dict or type(each) is list)
    if type(value) is list:
        return sum(map(_names, value))
    return 0


def _checked(record: object) -> object:
    """A record, or a placeholder if it cannot be stored."""
    if isinstance(record, Unreadable):
        return record
    try:
        json.dumps(record, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return Unreadable("has half of a surrogate pair", json.dumps(record, default=str))
    except RecursionError:
        return Unreadable(_DEEP, "")
    return record


def _after_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _nesting(text: str) -> tuple[int, int]:
    """The change of the nesting depth over a text, and the lowest relative depth at a closing bracket."""
    depth, lowest = 0, 1
    for mark in _BRACKETS.findall(text):
        if mark in ("{", "["):
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
            lowest = min(lowest, depth)
        elif mark == '"':
            # Strings do not continue in the next line.
            return 0, 1
    return depth, lowest


def _is_begun(text: str) -> bool:
    try:
        from_json(text, allow_partial=True)
    except ValueError:
        return False
    return True


def _is_document(text: str) -> bool:
    try:
        _DECODER.raw_decode(text, _after_blank(text, 0))
    except (ValueError, RecursionError):
        return False
    return True


def _cause(error: ValueError) -> str:
    return f"{error.msg} at character {error.pos + 1:,}" if isinstance(error, json.JSONDecodeError) else str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    return NamedTwice(pairs, next(name for name in names if names.count(name) > 1))


def _integer(text: str) -> int | float | NotHeld:
    if text == "-0":
        return -0.0
    return int(text) if len(text) <= LONGEST_NUMBER else NotHeld(text)


def _float(text: str) -> float | NotHeld:
    value = float_of(text)
    if value is None:
        return NotHeld(text)
    return WrittenFloat(text) if len(text) > _EXACT_CHARS else value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=NotHeld)
