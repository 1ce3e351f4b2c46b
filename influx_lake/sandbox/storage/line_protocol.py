"""The line protocol parser, one line at a time, with InfluxDB 3's error messages.

It follows the server's own parser (a chain of combinators) rule by rule, because the messages depend on which rule
failed where. `ingest` calls it for lines that do not match its bulk patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from influx_lake.sandbox.storage.columns import Kind

STRING_LIMIT = 65_536
_CONTEXT_LIMIT = 10

_MEASUREMENT = re.compile(r"(?:[^ \t\n\0,\\]++|\\.|\\\Z)++", re.DOTALL)
_KEY = re.compile(r"(?:[^ \t\n=\\]++|\\.|\\\Z)++", re.DOTALL)
_TAG_VALUE = re.compile(r"(?:[^ \t\n,\\]++|\\.|\\\Z)++", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SPACES = re.compile(r" +")
_BLANKS = re.compile(r"[ \t\n]*")
_INTEGER = re.compile(r"(-?[0-9]+)i")
_UINTEGER = re.compile(r"([0-9]+)u")
_FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"((?:[^"\\]++|\\["\\]|\\)*+)"')
_BOOLEAN = re.compile(r"true|True|TRUE|t|T|false|False|FALSE|f|F")
_TIMESTAMP = re.compile(r" +(-?[0-9]+) *")


class LineError(Exception):
    """A line is not valid; the text is the server's message."""


class _Backtrack(Exception):
    """A rule does not apply here; the caller may try another."""


@dataclass(slots=True)
class Point:
    """One parsed line. Values keep their text, except strings and names, which are unescaped."""

    measurement: str
    tags: list[tuple[str, str]]
    fields: list[tuple[str, Kind, str]] = field(default_factory=list)
    timestamp: str | None = None


def logical_line(lines: Sequence[str], index: int) -> tuple[str, int]:
    """Join physical lines until the line is complete: newlines may be in quotes or after a backslash.

    Returns:
        The logical line that starts at `lines[index]`, and the index after it.
    """
    text = lines[index]
    if '"' not in text and "\\" not in text:
        return text, index + 1
    scan = _LineScan()
    parts = [text]
    index += 1
    while not scan.complete(text) and index < len(lines):
        text = lines[index]
        parts.append(text)
        index += 1
    return "\n".join(parts), index


@dataclass(slots=True)
class _LineScan:
    """Tracks whether a quoted string is open, by the rules of the Go parser that the server still uses to split
    lines.
    """

    quoted: bool = False
    fields: bool = False
    escaped: bool = False
    equals: int = 0
    commas: int = 0

    def complete(self, text: str) -> bool:
        """Read one physical line; return whether the newline after it ends the logical line."""
        for char in text:
            self._step(char)
        ends = not self.quoted and not self.escaped
        self.escaped = False
        return ends

    def _step(self, char: str) -> None:
        if self.escaped:
            self.escaped = False
        elif char == "\\":
            self.escaped = True
        elif char == " ":
            self.fields = True
        elif self.fields:
            if char == '"':
                self.quoted ^= self.equals > self.commas
            elif not self.quoted:
                self.equals += char == "="
                self.commas += char == ","


def trim_leading(text: str) -> str:
    """Drop leading blanks and comments; a line without a point becomes empty."""
    while True:
        text = text[_BLANKS.match(text).end() :]  # type: ignore[union-attr]
        if not text.startswith("#"):
            return text
        newline = text.find("\n")
        text = text[newline:] if newline >= 0 else ""


def parse_line(text: str) -> Point:
    """Parse one logical line after `trim_leading`.

    Raises:
        LineError: with the server's message.
    """
    point, at = parse_series(text)
    at = _spaces(text, at)
    try:
        at = _field_set(text, at, point.fields)
    except _Backtrack:
        raise LineError("No fields were provided") from None
    if stamp := _TIMESTAMP.match(text, at):
        point.timestamp = stamp[1]
        at = stamp.end()
    if at < len(text):
        raise LineError(f"Could not parse entire line. Found trailing content: `{_shortened(text[at:])}`")
    if point.timestamp is not None and not -(2**63) <= int(point.timestamp) < 2**63:
        raise LineError(f"Unable to parse timestamp value `{point.timestamp}`")
    return point


def parse_series(text: str) -> tuple[Point, int]:
    """Parse the measurement and the tags, and return them with the position after them."""
    match = _MEASUREMENT.match(text)
    if match is None:
        raise LineError("Invalid measurement was provided")
    point = Point(_unescape(match[0], ", \\"), [])
    at = match.end()
    if text.startswith(",", at):
        at = _tag_set(text, at + 1, point.tags)
    return point, at


def _tag_set(text: str, start: int, tags: list[tuple[str, str]]) -> int:
    at = start
    while True:
        key = _KEY.match(text, at)
        if key is None:
            raise LineError(f"Expected tag key, got {_got(text[at:])}")
        name = _unescape(key[0], "\\,= ")
        if not text.startswith("=", key.end()):
            raise LineError(f"Tag set malformed: could not find equals sign in `{_shortened(text[start:])}`")
        at = key.end() + 1
        value = _TAG_VALUE.match(text, at)
        if value is None:
            raise LineError(f"Expected tag value, got {_got(text[at:])}")
        tags.append((name, _unescape(value[0], "\\,= ")))
        at = value.end()
        if not text.startswith(",", at):
            return at
        at += 1


def _field_set(text: str, at: int, fields: list[tuple[str, Kind, str]]) -> int:
    at = _one_field(text, at, fields)
    while text.startswith(",", at):
        try:
            at = _one_field(text, at + 1, fields)
        except _Backtrack:
            # The server's list rule consumes the first comma even if the second field fails, but no later one.
            return at + 1 if len(fields) == 1 else at
    return at


def _one_field(text: str, at: int, fields: list[tuple[str, Kind, str]]) -> int:
    key = _KEY.match(text, at)
    if key is None:
        raise _Backtrack
    name = _unescape(key[0], "\\,= ")
    if not text.startswith("=", key.end()):
        raise _Backtrack
    kind, value, at = _field_value(text, key.end() + 1)
    fields.append((name, kind, value))
    return at


def _field_value(text: str, at: int) -> tuple[Kind, str, int]:
    if match := _INTEGER.match(text, at):
        if not -(2**63) <= int(match[1]) < 2**63:
            raise LineError(f"Unable to parse integer value `{match[1]}`")
        return Kind.INTEGER, match[1], match.end()
    if match := _UINTEGER.match(text, at):
        if int(match[1]) >= 2**64:
            raise LineError(f"Unable to parse unsigned integer value `{match[1]}`")
        return Kind.UINTEGER, match[1], match.end()
    if match := _FLOAT.match(text, at):
        return Kind.FLOAT, match[0], match.end()
    if match := _STRING.match(text, at):
        value = _unescape(match[1], '"\\')
        _check_length(value)
        return Kind.STRING, value, match.end()
    if match := _BOOLEAN.match(text, at):
        return Kind.BOOLEAN, "true" if match[0][0] in "tT" else "false", match.end()
    raise _Backtrack


def _unescape(text: str, escapable: str) -> str:
    """Resolve escapes; a backslash before any other character is literal."""
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: match[1] if match[1] in escapable else match[0], text)
        if escapable != '"\\' and text.endswith("\\"):
            raise LineError("Measurements, tag keys and values, and field keys may not end with a backslash")
    if escapable != '"\\':
        _check_length(text)
    return text


def _check_length(text: str) -> None:
    if len(text) > STRING_LIMIT // 4 and len(text.encode()) > STRING_LIMIT:
        raise LineError("String is greater than 64KB")


def _spaces(text: str, at: int) -> int:
    match = _SPACES.match(text, at)
    if match is None:
        rest = text[at:]
        raise LineError(f"Expected at least one space character, got {f'`{rest}`' if rest else 'end of input'}")
    return match.end()


def _got(rest: str) -> str:
    return f"`{_shortened(rest)}`" if rest else "end of input"


def _shortened(text: str) -> str:
    return f"{text[:_CONTEXT_LIMIT]}..." if len(text.encode()) > _CONTEXT_LIMIT else text


def render(point: Point) -> str:
    """Format a point as in the server's error messages about schemas: canonical, strings without quotes."""
    series = "".join(
        [_escaped(point.measurement, ", "), *(f",{_escaped(k, ',= ')}={_escaped(v, ',= ')}" for k, v in point.tags)]
    )
    fields = ",".join(f"{_escaped(name, ',= ')}={_rendered(kind, text)}" for name, kind, text in point.fields)
    return " ".join([series, fields, *([point.timestamp] if point.timestamp is not None else [])])


def _rendered(kind: Kind, text: str) -> str:
    match kind:
        case Kind.INTEGER:
            return f"{int(text)}i"
        case Kind.UINTEGER:
            return f"{int(text)}u"
        case Kind.FLOAT:
            return _plain_float(float(text))
        case Kind.STRING:
            return _escaped(text, '"')
        case _:
            return text


def _plain_float(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return str(value)
    from decimal import Decimal

    digits = format(Decimal(repr(value)), "f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _escaped(text: str, specials: str) -> str:
    return "".join(f"\\{char}" if char in specials else char for char in text)


def physical_lines(body: str) -> list[str]:
    """The lines of a body, before strings over several lines are joined."""
    return body.split("\n")


def points(body: str) -> Iterator[Point]:
    """Parse every line of a body without bulk patterns.

    Raises:
        LineError: at the first line that is not valid.
    """
    lines = physical_lines(body)
    index = 0
    while index < len(lines):
        text, index = logical_line(lines, index)
        if text := trim_leading(text):
            yield parse_line(text)
