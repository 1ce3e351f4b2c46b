"""The grammar of line protocol, one line at a time, as InfluxDB 1.x and 2.x read it.

It parses what the bulk parser in `blocks` leaves: lines with escapes in their fields, unusual blanks, strings over
several lines, comments, and invalid lines. Names follow the escapes of those versions, where a backslash is literal
unless a comma, a blank or an equals sign follows it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.sources.points.cell_builder import INT64, UINT64
from influx_lake.sources.points.registry import Tags

Value = float | int | bool | str

_SERIES = re.compile(rb"(?:[^ ]|(?<=\\) )+")
_SERIES_PARTS = re.compile(rb"(?<!\\),")
_TAG = re.compile(rb"((?:[^=]|(?<=\\)=)+?)(?<!\\)=((?:[^=]|(?<=\\)=)+)", re.DOTALL)
_KEY = re.compile(rb"((?:[^\\=, ]|\\.|\\\Z)+)=", re.DOTALL)
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_WORD = re.compile(rb"[^, ]+")
_TIMESTAMP = re.compile(rb"-?[0-9]+")

_INTEGER = re.compile(rb"(-?[0-9]+)i")
_UINTEGER = re.compile(rb"([0-9]+)u")
_FLOAT = re.compile(rb"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MOST_DIGITS = 20
"""The most digits of a 64-bit integer."""
BOOLEANS = {
    **dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), True),
    **dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), False),
}

_NAME_ESCAPE = re.compile(r"\\([, ])")
_TAG_ESCAPE = re.compile(r"\\([, =])")
_FIELD_ESCAPE = re.compile(r'\\([, ="])')
_STRING_ESCAPE = re.compile(r'\\(["\\])')


class BadLine(Exception):
    """A line is not line protocol; the text tells why."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a line."""

    name: str
    type: ColumnType
    value: Value


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its series as written, its fields, and its time as a number."""

    series: bytes
    fields: list[Field]
    time: int


@dataclass(slots=True)
class LineScan:
    """Tracks whether a string is open, by the rules by which InfluxDB splits a body into lines."""

    quoted: bool = False
    fields: bool = False
    equals: int = 0
    commas: int = 0

    def ends(self, line: bytes) -> bool:
        """Read one physical line; return whether the newline after it ends the logical line."""
        for mark in _MARKS.findall(line + b"\n"):
            if mark == b"\\\n":
                return False
            self._step(mark)
        return not self.quoted

    def _step(self, mark: bytes) -> None:
        if mark == b" ":
            self.fields = True
        elif self.fields and mark == b'"':
            self.quoted ^= self.equals > self.commas
        elif self.fields and not self.quoted:
            self.equals += mark == b"="
            self.commas += mark == b","


_MARKS = re.compile(rb'\\.|[ ",=]', re.DOTALL)


def parse_line(line: bytes) -> Line:
    """Parse one line; its series is only found, and left to `parse_series`.

    Raises:
        BadLine: It is not line protocol.
    """
    line = line.strip(b" \t\r\n")
    series = _SERIES.match(line)
    if series is None or series.end() == len(line):
        raise BadLine("has no fields")
    at, fields = _field_set(line, series.end())
    rest = line[at:].strip(b" ")
    if not rest:
        raise BadLine("has no timestamp")
    if _TIMESTAMP.fullmatch(rest) is None:
        raise BadLine(f"has a timestamp that is not a number: {shown(rest)}")
    return Line(series[0], fields, _within(INT64, rest, "a timestamp"))


def _field_set(line: bytes, at: int) -> tuple[int, list[Field]]:
    while line.startswith(b" ", at):
        at += 1
    fields: list[Field] = []
    while True:
        key = _KEY.match(line, at)
        if key is None:
            raise BadLine(f"has no field where one is expected: {shown(line[at:])}")
        name = _unescaped(key[1], _FIELD_ESCAPE)
        kind, value, at = _field_value(line, key.end())
        fields.append(Field(name, kind, value))
        if line[at : at + 1] != b",":
            break
        at += 1
    if at < len(line) and line[at] != 0x20:
        raise BadLine(f"continues after a value: {shown(line[at:])}")
    return at, fields


def _field_value(line: bytes, at: int) -> tuple[ColumnType, Value, int]:
    if line.startswith(b'"', at):
        text = _STRING.match(line, at)
        if text is None:
            raise BadLine("has a string that is not closed")
        return ColumnType.STRING, _unescaped(text[1], _STRING_ESCAPE), text.end()
    word = _WORD.match(line, at)
    if word is None:
        raise BadLine("has a field without a value")
    kind, value = parse_value(word[0])
    return kind, value, word.end()


def parse_value(word: bytes) -> tuple[ColumnType, Value]:
    """The type and the value of a field that is not a string.

    Raises:
        BadLine: It is not valid.
    """
    if word in BOOLEANS:
        return ColumnType.BOOLEAN, BOOLEANS[word]
    if match := _INTEGER.fullmatch(word):
        return ColumnType.INTEGER, _within(INT64, match[1], "an integer")
    if match := _UINTEGER.fullmatch(word):
        return ColumnType.UINTEGER, _within(UINT64, match[1], "an unsigned integer")
    if _FLOAT.fullmatch(word):
        number = float(word)
        if math.isinf(number):
            raise BadLine(f"has a number that is too large for a float: {shown(word)}")
        return ColumnType.FLOAT, number
    raise BadLine(f"has an invalid value: {shown(word)}")


def _within(numbers: range, digits: bytes, what: str) -> int:
    # Python refuses to parse very many digits.
    first = digits.lstrip(b"-").lstrip(b"0")[: _MOST_DIGITS + 1]
    number = (-1 if digits.startswith(b"-") else 1) * int(first or b"0")
    if number not in numbers:
        raise BadLine(f"has a number that is too large for {what}: {shown(digits)}")
    return number


def parse_series(series: bytes) -> tuple[str, Tags]:
    """The measurement and the tags, sorted by name, of a series as written.

    Raises:
        BadLine: It is not valid.
    """
    measurement, *parts = _SERIES_PARTS.split(series)
    name = _unescaped(measurement, _NAME_ESCAPE)
    if not name:
        raise BadLine("has no measurement")
    tags: dict[str, str] = {}
    for part in parts:
        tag = _TAG.fullmatch(part)
        if tag is None:
            raise BadLine(f"has a tag without a name or a value: {shown(part)}")
        key = _unescaped(tag[1], _TAG_ESCAPE)
        if key in tags:
            raise BadLine(f"has the tag {key!r} twice")
        if key == TIME:
            raise BadLine(f"has a tag called {TIME!r}, which is the name of the time itself")
        tags[key] = _unescaped(tag[2], _TAG_ESCAPE)
    return name, tuple(sorted(tags.items()))


def parse_field_name(name: bytes) -> str:
    """A field's name without its escapes.

    Raises:
        BadLine: It is not UTF-8.
    """
    return _unescaped(name, _FIELD_ESCAPE)


def check_field_name(name: str) -> None:
    """Make sure that a field's name is allowed.

    Raises:
        BadLine: It is not.
    """
    if name == TIME:
        raise BadLine(f"has a field called {TIME!r}, which is the name of the time itself")


def _unescaped(raw: bytes, escape: re.Pattern[str]) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadLine(f"is not UTF-8: {shown(raw)}") from None
    return escape.sub(r"\1", text) if "\\" in text else text


def shown(raw: bytes) -> str:
    """The beginning of a part of a line, for messages."""
    text = raw[:60].decode(errors="backslashreplace")
    return repr(text + ("..." if len(raw) > 60 else ""))
