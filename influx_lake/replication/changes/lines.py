"""Extracts measurement and time from line protocol, for reports of changes; field values are not parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from influx_lake.replication.changes.change import BUCKET, Told
from influx_lake.sources.line_protocol.grammar import LineScan, shown

PRECISIONS = {
    "n": 1,
    "ns": 1,
    "u": 1_000,
    "us": 1_000,
    "µ": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
"""The units of times, as InfluxDB 1 calls them, in nanoseconds."""
_NAME = re.compile(rb"(?:[^, ]|(?<=\\)[, ])+")
_ESCAPE = re.compile(r"\\([, ])")
_TIME = re.compile(rb"-?[0-9]{1,19}")
_INT64 = 2**63 - 1


class BadLines(ValueError):
    """A body that is not line protocol; the text names the place."""


def told_by_lines(body: bytes, precision: str, now: int) -> list[Told]:
    """The reports that lines make: for each measurement, each hour that got points.

    Args:
        body: The lines, as InfluxDB 1 accepts and forwards them.
        precision: The unit of their times, one of `PRECISIONS`.
        now: The time of lines without a timestamp, in nanoseconds since 1970.

    Raises:
        BadLines: A line has no measurement or no fields, or its time is out of range.
    """
    unit = PRECISIONS[precision]
    found: dict[tuple[bytes, int], list[int]] = {}
    for line in _lines(body):
        name = _NAME.match(line)
        if name is None or b"=" not in line[name.end() :]:
            raise BadLines(f"a line has no measurement or no fields: {shown(line)}")
        moment, tail = now, line[line.rfind(b" ") + 1 :]
        if _TIME.fullmatch(tail):
            moment = int(tail) * unit
            if abs(moment) > _INT64:
                raise BadLines(f"a time is out of range: {shown(line)}")
        span = found.setdefault((name[0], moment // BUCKET), [moment, moment, 0])
        span[0], span[1], span[2] = min(span[0], moment), max(span[1], moment), span[2] + 1
    return [Told(_unescaped(name), first, last, points) for (name, _), (first, last, points) in found.items()]


def _lines(body: bytes) -> Iterator[bytes]:
    """Split a body into lines; quoted strings may contain line breaks."""
    begun: list[bytes] = []
    scan = LineScan()
    for line in body.split(b"\n"):
        if begun or b'"' in line:
            begun.append(line)
            if not scan.ends(line):
                continue
            line, begun, scan = b"\n".join(begun), [], LineScan()  # noqa: PLW2901
        line = line.strip()  # noqa: PLW2901
        if line and not line.startswith(b"#"):
            yield line
    if begun:
        raise BadLines(f"a string is not closed: {shown(begun[0])}")


def _unescaped(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise BadLines(f"a measurement's name is not UTF-8: {shown(name)}") from None
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text
