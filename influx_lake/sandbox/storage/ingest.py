"""Parses bodies of line protocol to Arrow tables, in bulk.

Telemetry is repetitive: the same series and the same list of fields occur again and again. The first line of a kind is
parsed by the grammar, from which a pattern is derived; the following lines cost one dictionary look-up and one regular
expression match, and their values become Arrow columns with vectorised casts. Lines that no pattern matches are parsed
by the grammar, so the result does not depend on how a line was parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.sandbox.storage.columns import TIME, Kind, arrow_schema, in_one_chunk
from influx_lake.sandbox.storage.line_protocol import (
    LineError,
    Point,
    logical_line,
    parse_line,
    parse_series,
    physical_lines,
    render,
    trim_leading,
)
from influx_lake.sandbox.storage.precision import GUESSES, INT64_MAX, INT64_MIN, Precision

ORIGINAL_LINE_LIMIT = 20
_SERIES = re.compile(r"(?:[^ \\\n]++|\\.)++", re.DOTALL)
_VALUE_PATTERNS = {
    Kind.FLOAT: r"(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)",
    Kind.INTEGER: r"(-?[0-9]{1,18})i",
    Kind.UINTEGER: r"([0-9]{1,19})u",
    Kind.BOOLEAN: r"(t(?:rue)?|T(?:rue|RUE)?|f(?:alse)?|F(?:alse|ALSE)?)",
    Kind.STRING: r'"([^"\\\n]{0,10000})"',
}
_TIME_PATTERN = r"(?: +(-?[0-9]{1,18}|[1-8][0-9]{18}) *)?\Z"
_SHAPES_TRIED = 8


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """One line that was not stored, as the server reports it."""

    error_message: str
    line_number: int
    original_line: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's limits on schemas."""

    columns: int = 500
    tables: int = 4000


@dataclass(frozen=True, slots=True)
class Parsed:
    """The outcome of a body: rows by measurement in their stored schema, and the lines that were rejected."""

    tables: dict[str, pa.Table]
    rejected: list[RejectedLine]
    lines: int


@dataclass(slots=True)
class _Shape:
    """A list of fields of one measurement, and the rows with these fields."""

    kinds: dict[str, Kind]
    pattern: re.Pattern[str]
    series: list[int] = field(default_factory=list)
    rows: list[Sequence[str | None]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """One measurement while a body is parsed: its columns so far, its series and shapes."""

    name: str
    columns: dict[str, Kind]
    series: list[dict[str, str]] = field(default_factory=list)
    shapes: list[_Shape] = field(default_factory=list)

    def match(self, text: str) -> tuple[_Shape, Sequence[str | None]] | None:
        for index, shape in enumerate(self.shapes[:_SHAPES_TRIED]):
            if match := shape.pattern.match(text):
                if index:
                    self.shapes.insert(0, self.shapes.pop(index))
                return shape, match.groups()
        return None

    def shape(self, kinds: dict[str, Kind]) -> _Shape:
        kinds_by_column = list(kinds.items())
        for shape in self.shapes:
            if list(shape.kinds.items()) == kinds_by_column:
                return shape
        pattern = ",".join(f"{re.escape(_key_text(name))}={_VALUE_PATTERNS[kind]}" for name, kind in kinds_by_column)
        self.shapes.insert(0, _Shape(kinds, re.compile(f" *{pattern}{_TIME_PATTERN}")))
        return self.shapes[0]


def parse_body(
    body: str,
    known: Mapping[str, Mapping[str, Kind]],
    precision: Precision,
    now: int,
    limits: Limits = Limits(),
    stop_at_error: bool = False,
) -> Parsed:
    """Parse a body of line protocol against the known columns of each measurement.

    Args:
        body: The lines.
        known: The existing columns of measurements.
        precision: The unit of timestamps.
        now: The time of points without a timestamp, in nanoseconds.
        limits: How many tables and columns may exist.
        stop_at_error: Reject the whole body at its first bad line.
    """
    try:
        return _Body(known, precision, now, limits, stop_at_error, bulk=True).parse(body)
    except pa.ArrowInvalid:
        # A scaled timestamp does not fit into 64 bits; parsing line by line finds out which.
        return _Body(known, precision, now, limits, stop_at_error, bulk=False).parse(body)


class _Body:
    def __init__(
        self,
        known: Mapping[str, Mapping[str, Kind]],
        precision: Precision,
        now: int,
        limits: Limits,
        stop_at_error: bool,
        bulk: bool,
    ) -> None:
        self._known = known
        self._precision = precision
        self._now = now
        self._limits = limits
        self._stop_at_error = stop_at_error
        self._bulk = bulk
        self._drafts: dict[str, _Draft] = {}
        self._series: dict[str, tuple[_Draft, int]] = {}
        self._rejected: list[RejectedLine] = []
        self._points = 0
        self._lines = 0

    def parse(self, body: str) -> Parsed:
        lines = physical_lines(body)
        find_series = self._series.get
        index, count = 0, len(lines)
        while index < count:
            line = lines[index]
            self._lines += 1
            if not line:
                index += 1
                continue
            if self._bulk:
                if "\\" in line:
                    head = _SERIES.match(line)
                    name, rest = (head[0], line[head.end() :]) if head else ("", "")
                else:
                    name, _, rest = line.partition(" ")
                entry = find_series(name)
                if entry is not None:
                    draft, series = entry
                    matched = draft.match(rest)
                    if matched is not None:
                        shape, values = matched
                        shape.series.append(series)
                        shape.rows.append(values)
                        shape.order.append(self._lines)
                        self._points += 1
                        index += 1
                        continue
            text, index = logical_line(lines, index)
            if (text := trim_leading(text)) and not self._accept(text) and self._stop_at_error:
                return Parsed({}, self._rejected, self._points + 1)
        tables = {draft.name: self._table(draft) for draft in self._drafts.values() if draft.shapes}
        return Parsed(tables, self._rejected, self._points + len(self._rejected))

    def _accept(self, text: str) -> bool:
        """Parse one line by the grammar, check it against the schema, and keep the point or the error."""
        try:
            point = parse_line(text)
            self._check_time(point)
        except LineError as problem:
            self._reject(str(problem), text.removesuffix("\r"))
            return False
        try:
            self._keep(point, text)
        except LineError as problem:
            self._reject(str(problem), render(point))
            return False
        return True

    def _reject(self, message: str, line: str) -> None:
        original = line.encode()[:ORIGINAL_LINE_LIMIT].decode(errors="ignore")
        self._rejected.append(RejectedLine(message, self._lines, original))

    def _check_time(self, point: Point) -> None:
        if point.timestamp is None:
            return
        stamp = int(point.timestamp)
        if not INT64_MIN <= self._precision.nanoseconds(stamp) <= INT64_MAX:
            unit = self._precision.name.title()
            raise LineError(f"timestamp, {stamp}, out of range for precision: {unit}")

    def _keep(self, point: Point, text: str) -> None:
        draft = self._draft(point.measurement)
        draft.columns.update(self._additions(draft, point))
        self._drafts[point.measurement] = draft
        _, end = parse_series(text)
        name = text[:end]
        if name not in self._series:
            self._series[name] = (draft, len(draft.series))
            draft.series.append(dict(point.tags))
        shape = draft.shape({name: kind for name, kind, _ in point.fields})
        shape.series.append(self._series[name][1])
        shape.rows.append([*(value for _, _, value in point.fields), point.timestamp])
        shape.order.append(self._lines)
        self._points += 1

    def _draft(self, measurement: str) -> _Draft:
        draft = self._drafts.get(measurement)
        if draft is not None:
            return draft
        columns = self._known.get(measurement)
        if columns is None:
            current = len(self._known.keys() | self._drafts.keys())
            if current >= self._limits.tables:
                raise LineError(
                    "Update to schema would exceed number of tables limit: attempted to create table but already have "
                    f"{current} table(s) (limit: {self._limits.tables})"
                )
            columns = {TIME: Kind.TIME}
        return _Draft(measurement, dict(columns))

    def _additions(self, draft: _Draft, point: Point) -> dict[str, Kind]:
        """The columns that the point adds; raises if it does not fit."""
        seen: set[str] = set()
        added: dict[str, Kind] = {}
        for role, columns in (
            ("tag", [(name, Kind.TAG) for name, _ in point.tags]),
            ("field", [(name, kind) for name, kind, _ in point.fields]),
        ):
            for name, kind in columns:
                if name == TIME and draft.name not in self._known and draft.name not in self._drafts:
                    raise LineError(f"'{TIME}' is a reserved column")
                existing = draft.columns.get(name) or added.get(name)
                if existing is not None and existing is not kind:
                    raise LineError(
                        f"invalid column type for column '{name}', expected {existing.iox_name}, got {kind.iox_name}"
                    )
                if name in seen:
                    raise LineError(f"invalid line protocol - multiple instances of '{name}' {role} found")
                seen.add(name)
                if existing is None:
                    added[name] = kind
        attempted = len(draft.columns) + len(added)
        if added and attempted > self._limits.columns:
            raise LineError(
                f"Update to schema would exceed number of columns per table limit of {self._limits.columns} columns"
            )
        return added

    def _table(self, draft: _Draft) -> pa.Table:
        schema = arrow_schema(draft.name, draft.columns)
        parts = [self._shape_columns(draft, shape, schema) for shape in draft.shapes]
        table = parts[0] if len(parts) == 1 else pa.concat_tables(parts)
        if len(parts) > 1:
            order = pa.array([number for shape in draft.shapes for number in shape.order])
            table = in_one_chunk(table).take(pc.sort_indices(order))
        return table

    def _shape_columns(self, draft: _Draft, shape: _Shape, schema: pa.Schema) -> pa.Table:
        *values, stamps = zip(*shape.rows, strict=True)
        columns = {name: _column(kind, texts) for (name, kind), texts in zip(shape.kinds.items(), values, strict=True)}
        columns[TIME] = self._times(stamps)
        series = pa.array(shape.series, pa.int32())
        rows = len(shape.rows)
        arrays = []
        for column in schema:
            if column.name in columns:
                arrays.append(columns[column.name])
            elif pa.types.is_dictionary(column.type):
                arrays.append(_tags([tags.get(column.name) for tags in draft.series], series))
            else:
                arrays.append(pa.nulls(rows, column.type))
        return pa.table(arrays, schema=schema)

    def _times(self, stamps: Sequence[str | None]) -> pa.Array:
        counts = pa.array(stamps, pa.string()).cast(pa.int64())
        if self._precision is Precision.AUTO:
            factor = pa.scalar(1, pa.int64())
            for bound, precision in reversed(GUESSES):
                small = pc.and_(pc.greater(counts, -bound), pc.less(counts, bound))
                factor = pc.if_else(small, pa.scalar(precision.value, pa.int64()), factor)
            nanoseconds = pc.multiply_checked(counts, factor)
        else:
            nanoseconds = pc.multiply_checked(counts, pa.scalar(self._precision.value, pa.int64()))
        return nanoseconds.fill_null(self._now).cast(pa.timestamp("ns"))


def _tags(values: list[str | None], series: pa.Array) -> pa.DictionaryArray:
    encoded = pa.array(values, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(series), encoded.dictionary)


def _column(kind: Kind, texts: Sequence[str]) -> pa.Array:
    strings = pa.array(texts, pa.string())
    match kind:
        case Kind.STRING:
            return strings
        case Kind.BOOLEAN:
            return pc.match_substring_regex(strings, "^[tT]")
        case Kind.FLOAT:
            try:
                return strings.cast(pa.float64())
            except pa.ArrowInvalid:
                return pa.array([float(text) for text in texts], pa.float64())
        case _:
            return strings.cast(kind.arrow_type)


def _key_text(name: str) -> str:
    """A field key as clients usually write it, for the pattern; other spellings are left to the grammar."""
    return "".join(f"\\{char}" if char in ",= " else char for char in name)
