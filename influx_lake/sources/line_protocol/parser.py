"""Parses blocks of line protocol to cells: nearly all lines at once, the odd ones one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.files.file_check import UTF8_MARK
from influx_lake.sources.line_protocol.blocks import Layout, Spans, lay_out
from influx_lake.sources.line_protocol.grammar import (
    BadLine,
    check_field_name,
    parse_field_name,
    parse_series,
)
from influx_lake.sources.line_protocol.headers import Headers
from influx_lake.sources.line_protocol.plain_blocks import PlainBlock, plain_block
from influx_lake.sources.line_protocol.slow_path import OddLine, OddLines
from influx_lake.sources.line_protocol.values import STRING, read_integers, read_values
from influx_lake.sources.points.bad_record import BadRecord
from influx_lake.sources.points.cell_builder import TIMES, value_bits
from influx_lake.sources.points.cells import SCHEMA, Mask, Numbers, Places, cells
from influx_lake.sources.points.registry import CODES, Context, Registry, Tags

_KNOWN_AT_MOST = 1_000_000
_DENSE = 4_000_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """The contents of a block.

    Attributes:
        cells: The values of its points.
        bad: Its bad lines.
        rest: The beginning of a point that ends in the next block.
    """

    cells: pa.RecordBatch
    bad: list[BadRecord]
    rest: bytes


@dataclass(slots=True)
class LineParser:
    """Parses the blocks of one file, in order.

    Attributes:
        registry: Numbers series and fields.
        unit: The unit of timestamps, in nanoseconds.
        lines: How many lines were read, or precede the first block.
        headers: The state that header comments set.
    """

    registry: Registry
    unit: int = 1
    lines: int = 0
    headers: Headers = field(default_factory=Headers)
    _series: dict[bytes, tuple[str, Tags] | None] = field(default_factory=dict)
    _numbers: dict[tuple[Context, bytes], tuple[int, int]] = field(default_factory=dict)

    def parse(self, block: bytes, *, last: bool = False) -> Parsed:
        """Parse a block.

        Args:
            block: Whole physical lines, each with its newline.
            last: Whether it is the last one.
        """
        if (plain := self._plain(block)) is not None:
            self.lines += plain.lines
            return Parsed(plain.cells([(0, self.headers.context)]).batch, [], b"")
        layout = lay_out(np.frombuffer(block, np.uint8))
        usual = _UsualLines.read(block, layout, self)
        odd = OddLines(block, layout.lines, self.headers, self.unit, self.lines, last)
        odd.read(usual.mask)
        usual.leave_out(odd, layout.lines)
        rows = usual.cells(odd.contexts)
        if odd.points:
            rows = _in_order(rows, [_odd_cells(each, self) for each in odd.points])
        rest = b"" if odd.rest is None else block[odd.rest :]
        self.lines += len(usual.mask) - rest.count(b"\n")
        return Parsed(rows.batch, odd.bad, rest)

    def _plain(self, block: bytes) -> _UsualLines | None:
        """The lines of a block with only plain lines; None for other blocks."""
        found = None if self.headers.in_ddl else plain_block(block)
        return None if found is None else _UsualLines.of_plain(found, self)

    def series(self, raw: bytes) -> tuple[str, Tags] | None:
        """The measurement and tags of a series as written; None if it is not valid."""
        if raw not in self._series:
            self._forget()
            try:
                self._series[raw] = parse_series(raw)
            except BadLine:
                self._series[raw] = None
        return self._series[raw]

    def numbers(self, context: Context, raw: bytes) -> tuple[int, int]:
        """The numbers of the measurement and the series of a valid series."""
        known = self._numbers.get((context, raw))
        if known is None:
            name, tags = self.series(raw) or parse_series(raw)
            measurement = self.registry.measurement(context, name)
            known = self._numbers[context, raw] = measurement, self.registry.series_of(measurement, tags)
        return known

    def _forget(self) -> None:
        if len(self._series) >= _KNOWN_AT_MOST:
            self._series.clear()
            self._numbers.clear()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Cells, each with the number of its line."""

    batch: pa.RecordBatch
    line: Places


@dataclass(slots=True)
class _UsualLines:
    """The lines of a block that have the usual form.

    Attributes:
        parser: The file's parser.
        lines: How many lines there are, of any form.
        usual: The mask of lines of the usual form.
        owner: The number of the line that each field belongs to.
        mask: The mask of valid ones among them.
        times: The time of each usual line, in nanoseconds.
        series: The series of each usual line, as an index into `raw_series`.
        raw_series: The distinct series.
        names: The name of each field, as an index into `raw_names`.
        raw_names: The distinct names.
        code: The code of each field's type.
        bits: The bits of each value.
        texts: The values that are strings.
    """

    parser: LineParser
    lines: int
    usual: Mask
    owner: Places
    mask: Mask
    times: Places
    series: Numbers
    raw_series: list[bytes]
    names: Numbers
    raw_names: list[bytes]
    code: Places
    bits: Places
    texts: pa.Array

    @classmethod
    def read(cls, block: bytes, layout: Layout, parser: LineParser) -> _UsualLines:
        """Parse those lines. Invalid ones count as odd, for the grammar to report."""
        data, buffer = np.frombuffer(block, np.uint8), pa.py_buffer(block)
        mask, places = layout.usual.copy(), np.flatnonzero(layout.usual)
        values = read_values(data, buffer, layout.values)
        times, timed = read_integers(data, buffer, layout.times)
        timed &= _are_times(times, parser.unit)
        series, raw_series = _encoded_spans(layout.series, buffer)
        names, raw_names = _encoded_spans(layout.keys, buffer)
        is_series = np.array([parser.series(raw) is not None for raw in raw_series], np.bool_)
        is_name = np.array([_is_field_name(raw) for raw in raw_names], np.bool_)
        mask[places[~(timed & is_series[series])]] = False
        mask[layout.owner[~(values.good & is_name[names])]] = False
        lines = len(layout.lines.begin)
        owns = lines, layout.usual, layout.owner, mask
        return cls(parser, *owns, times * parser.unit, series, raw_series, names, raw_names, *values.columns)

    @classmethod
    def of_plain(cls, block: PlainBlock, parser: LineParser) -> _UsualLines | None:
        """Parse the lines of a plain block; None if one is odd after all."""
        times = block.times
        if not _are_times(times, parser.unit).all():
            return None
        series, raw_series = block.series.indices.to_numpy(), block.series.dictionary.to_pylist()
        names, raw_names = _encoded_spans(block.keys, block.data)
        if not all(map(_is_plain_name, raw_series)) or not all(map(_is_field_name, raw_names)):
            return None
        if not all(parser.series(raw) is not None for raw in raw_series):
            return None
        values = read_values(np.frombuffer(block.data, np.uint8), block.data, block.values, decimal=block.decimal)
        if not values.good.all():
            return None
        every = np.ones(len(times), np.bool_)
        owns = block.lines, every, block.owner, every
        return cls(parser, *owns, times * parser.unit, series, raw_series, names, raw_names, *values.columns)

    def leave_out(self, odd: OddLines, lines: Spans) -> None:
        """Exclude the lines that belong to odd points."""
        for begin, end in odd.taken:
            self.mask[begin:end] = False
        if odd.rest is not None:
            self.mask[np.searchsorted(lines.begin, odd.rest) :] = False

    def cells(self, contexts: list[tuple[int, Context]]) -> _Rows:
        """Their values. Series and fields are numbered only now, so that those of excluded lines get no numbers."""
        if len(contexts) == 1 and self.mask.all():
            return self._all_cells(contexts[0][1])
        measurement, series = self._numbered_series(contexts)
        rows = self.mask[self.owner]
        owner = self.owner[rows]
        code = self.code[rows]
        fields = self._numbered_fields(measurement[owner], self.names[rows], code)
        texts = self.texts
        if len(texts):
            texts = texts.filter(pa.array(rows[self.code == STRING]))
        times = np.zeros(len(self.mask), np.int64)
        times[self.usual] = self.times
        batch = cells(series[owner], fields, times[owner], self.bits[rows], texts, code == STRING)
        return _Rows(batch, owner)

    def _all_cells(self, context: Context) -> _Rows:
        """The values of a block in which every line is one of them."""
        numbers = np.array([self.parser.numbers(context, raw) for raw in self.raw_series], np.int32)
        measurement, series, times = *numbers.reshape(-1, 2).T[:, self.series], self.times
        if len(self.owner) > len(times):
            measurement, series, times = (lines[self.owner] for lines in (measurement, series, times))
        fields = self._numbered_fields(measurement, self.names, self.code)
        batch = cells(series, fields, times, self.bits, self.texts, self.code == STRING)
        return _Rows(batch, self.owner)

    def _numbered_series(self, contexts: list[tuple[int, Context]]) -> tuple[Numbers, Numbers]:
        """The numbers of each line's measurement and series."""
        texts = np.zeros(len(self.mask), np.int32)
        texts[self.usual] = self.series
        measurement, series = np.zeros_like(texts), np.zeros_like(texts)
        for (begin, context), (end, _) in pairwise([*contexts, (len(self.mask), Context())]):
            lines = begin + np.flatnonzero(self.mask[begin:end])
            distinct, place = _distinct(texts[lines], len(self.raw_series))
            numbers = [self.parser.numbers(context, self.raw_series[text]) for text in distinct.tolist()]
            table = np.array(numbers, np.int32).reshape(-1, 2)
            measurement[lines], series[lines] = table[place, 0], table[place, 1]
        return measurement, series

    def _numbered_fields(self, measurement: Numbers, names: Numbers, code: Places) -> Numbers:
        keys, types = len(self.raw_names), len(CODES)
        combined = (measurement.astype(np.int64) * keys + names) * types + code
        distinct, place = _distinct(combined, int(combined.max(initial=0)) + 1)
        numbers = []
        for each in distinct.tolist():
            rest, kind = divmod(each, types)
            owner, name = divmod(rest, keys)
            numbers.append(self.parser.registry.field(owner, parse_field_name(self.raw_names[name]), kind))
        return np.array(numbers, np.int32)[place]


def _encoded_spans(spans: Spans, block: pa.Buffer) -> tuple[Numbers, list[bytes]]:
    encoded = spans.with_gaps(block).dictionary_encode()
    places = np.frombuffer(encoded.indices.buffers()[1], np.int32)[: len(encoded) : 2]
    return places, encoded.dictionary.to_pylist()


def _distinct(numbers: npt.NDArray[np.integer], bound: int) -> tuple[Places, Places]:
    """The distinct numbers, and the index of each number among them."""
    if bound > _DENSE:
        distinct, place = np.unique(numbers, return_inverse=True)
        return distinct.astype(np.int64), place
    there = np.zeros(bound, np.bool_)
    there[numbers] = True
    places = np.cumsum(there) - 1
    return np.flatnonzero(there), places[numbers]


def _are_times(times: Places, unit: int) -> Mask:
    found: Mask = (times <= TIMES[-1] // unit) & (times >= -(TIMES[-1] // unit))
    return found


def _is_plain_name(raw: bytes) -> bool:
    """Whether a line with this beginning is not a comment or similar."""
    return raw[:1] > b"#" and raw[:1] != UTF8_MARK[:1]


def _is_field_name(raw: bytes) -> bool:
    try:
        check_field_name(parse_field_name(raw))
    except BadLine:
        return False
    return True


def _odd_cells(odd: OddLine, parser: LineParser) -> _Rows:
    measurement, series = parser.numbers(odd.context, odd.line.series)
    registry, count = parser.registry, len(odd.line.fields)
    fields = [registry.field(measurement, each.name, CODES[each.type]) for each in odd.line.fields]
    texts = [str(each.value) if each.type is ColumnType.STRING else None for each in odd.line.fields]
    columns = [
        [series] * count,
        fields,
        [odd.line.time] * count,
        [value_bits(each.type, each.value) for each in odd.line.fields],
        texts,
    ]
    return _Rows(pa.record_batch(columns, schema=SCHEMA), np.full(count, odd.number))


def _in_order(usual: _Rows, odd: list[_Rows]) -> _Rows:
    """All rows in the order of their lines."""
    parts = [usual, *odd]
    line = np.concatenate([each.line for each in parts])
    order = np.argsort(line, kind="stable")
    batch = pa.concat_batches([each.batch for each in parts]).take(pa.array(order))
    return _Rows(batch, line[order])
