"""Parses blocks of JSON and CSV to columns of points with Arrow, as long as Arrow reads them as the record parsers
would.

In some cases Arrow is stricter than the record parsers (duplicate names, leading zeros, halves of surrogate pairs), and
fails. Other differences it does not report, so they are checked here: integers among floats, `-0`, numbers that no
float is near to, quotes inside values, bytes that are not UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

from influx_lake.arrow.byte_places import places_of
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.files.text_blocks import count_lines
from influx_lake.sources.landing_zone.columns import FieldColumn, NotPlain, PointColumns
from influx_lake.sources.landing_zone.record_columns import check_room, texts_as, times_of
from influx_lake.sources.landing_zone.records import RecordReader
from influx_lake.sources.landing_zone.text_numbers import LARGEST_EXACT
from influx_lake.sources.points.cell_builder import BadPoint

_LINES_LOOKED_AT = 32
_LONGEST_LINE = 1_000_000
_MINUS, _QUOTE, _ZERO = (ord(char) for char in '-"0')
_IS_DIGIT = np.zeros(256, np.bool_)
_IS_DIGIT[[*b"0123456789"]] = True
_BEGINS, _ENDS = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
_BEGINS[[*b":[, \t\r\n"]] = _ENDS[[*b"}], \t\r\n"]] = True
_LONGEST_LOOKED_AT = 32
_BEFORE_EXPONENT = re.compile(rb"(?:[:\[,\s]-?|^)[0-9.]+[eE]\Z")
"""The digits of a number before its exponent, up to the length that is examined."""
_KINDS = {
    pa.int64(): ColumnType.INTEGER,
    pa.float64(): ColumnType.FLOAT,
    pa.bool_(): ColumnType.BOOLEAN,
    pa.string(): ColumnType.STRING,
}
"""The types that Arrow infers for JSON."""
_FITS = {ColumnType.FLOAT: (pa.int64(), pa.float64()), ColumnType.UINTEGER: (pa.int64(),)}


@dataclass(slots=True)
class BlockColumns:
    """Parses the points of a file block by block.

    Attributes:
        reader: The record parser whose results have to be matched.
    """

    reader: RecordReader
    _texts: pa.Schema = field(default_factory=lambda: pa.schema([]))

    def of_json(self, block: memoryview) -> list[PointColumns] | None:
        """The points of lines with one object each, or with many under `metrics`; None if these are not plain."""
        try:
            _check_names(block)
            if _has_odd_numbers(block):
                return None
            return [self._points(name, batch) for name, batch in self._by_measurement(self._objects(block))]
        except (NotPlain, BadPoint, pa.ArrowException, UnicodeError):
            return None

    def of_csv(self, block: memoryview, header: list[str], delimiter: str) -> list[PointColumns] | None:
        """The points of rows below a header; None if these are not plain."""
        try:
            if not _is_plain_csv(block, delimiter):
                return None
            batch = _csv(block, delimiter, header)
            return [self._points(name, rows) for name, rows in self._by_measurement(batch)]
        except (NotPlain, BadPoint, pa.ArrowException, UnicodeError):
            return None

    def _objects(self, block: memoryview) -> pa.RecordBatch:
        """Parse the objects; strings stay strings, although Arrow infers times for some."""
        batch = _json(block, self._texts)
        if (texts := _with_texts(batch.schema)) != batch.schema:
            self._texts = _texts_of(texts)
            batch = _json(block, self._texts)
            if _with_texts(batch.schema) != batch.schema:
                raise NotPlain
        names = batch.schema.names
        if "metrics" in names and pa.types.is_list(batch.column("metrics").type):
            metrics = batch.column("metrics")
            if len(names) > 1 or metrics.null_count or not pa.types.is_struct(metrics.type.value_type):
                raise NotPlain
            objects = metrics.flatten()
            if objects.null_count:
                raise NotPlain
            batch = pa.RecordBatch.from_struct_array(objects)
        return batch

    def _by_measurement(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        column = self.reader.config.measurement_column
        place = batch.schema.get_field_index(column)
        names = batch.column(place) if place >= 0 else pa.nulls(len(batch))
        if not (pa.types.is_string(names.type) or pa.types.is_null(names.type)):
            raise NotPlain
        own = self.reader.measurement
        distinct = names.unique().to_pylist()
        if own is not None:
            if any(self.reader.names_another(name) for name in distinct):
                raise NotPlain
            yield own, batch
            return
        if not all(distinct):
            raise NotPlain
        if len(distinct) < 2:
            yield from ((name, batch) for name in distinct)
            return
        codes = names.dictionary_encode().indices.to_numpy()
        order, ends = np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))
        ordered = batch.take(pa.array(order))
        for name, begin, end in zip(distinct, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            yield name, ordered.slice(begin, end - begin)

    def _points(self, name: str, batch: pa.RecordBatch) -> PointColumns:
        tags, fields = self._parts(name, batch)
        place = batch.schema.get_field_index(self.reader.config.timestamp)
        if place < 0 or batch.column(place).null_count:
            raise NotPlain
        declared = self.reader.config.columns.get(name)
        if declared and fields.keys() - declared.types.keys():
            raise NotPlain
        types: Mapping[str, ColumnType] = declared.types if declared else {}
        read = texts_as if self.reader.textual else self._values_as
        return PointColumns(
            name,
            times_of(batch.column(place), self.reader),
            {tag: _tag(values) for tag, values in tags.items()},
            {field: read(values, types.get(field)) for field, values in fields.items()},
        )

    def _parts(self, name: str, batch: pa.RecordBatch) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
        """The tags and the fields, of `tags` and `fields` objects and of columns."""
        config, tag_names = self.reader.config, self.reader.tag_names(name)
        own = {config.timestamp, config.measurement_column, "tags", "fields"}
        tags, fields = _inside(batch, "tags"), _inside(batch, "fields")
        columns = {each: batch.column(each) for each in batch.schema.names if each not in own}
        # Which of two values of the same name wins depends on the row.
        if tags.keys() & fields.keys() or not {*tags, *fields}.isdisjoint(columns):
            raise NotPlain
        for found in (tags, fields, columns):
            check_room(len(batch), len(found))
        if name in config.columns and {tag for tag, values in tags.items() if _has_values(values)} - tag_names:
            raise NotPlain
        fields |= columns
        tags |= {column: fields.pop(column) for column in tag_names if column in fields}
        if not {TIME, ""}.isdisjoint((*tags, *fields)):
            raise NotPlain
        # Columns without values belong to other measurements.
        return {tag: values for tag, values in tags.items() if _has_values(values)}, {
            field: values for field, values in fields.items() if _has_values(values)
        }

    def _values_as(self, values: pa.Array, wanted: ColumnType | None) -> FieldColumn:
        """Convert values of JSON to the declared type, or keep their own type if None."""
        kind = _KINDS.get(values.type)
        if kind is None or (wanted and wanted is not kind and values.type not in _FITS.get(wanted, ())):
            raise NotPlain
        if kind is ColumnType.FLOAT:
            self._check_floats(values)
        if wanted is ColumnType.FLOAT and kind is ColumnType.INTEGER and not _are_exact(values):
            raise NotPlain
        return FieldColumn.of(wanted or kind, values.cast(ARROW_TYPES[wanted or kind]))

    def _check_floats(self, values: pa.Array) -> None:
        """Make sure that integers among floats were not changed."""
        if not _are_exact(values):
            raise NotPlain
        # Arrow infers one type per column, but one of several measurements may have only integers in it.
        if self.reader.measurement is None and pc.all(pc.equal(pc.floor(values), values)).as_py():
            raise NotPlain


def _check_names(block: memoryview) -> None:
    """Make sure, by sampling lines, that objects have the same names: Arrow creates a column for each name."""
    raw, names, late, lines, objects = _bytes_of(block), set[str](), set[str](), 0, 0
    for number in range(_LINES_LOOKED_AT):
        begin = raw.find(b"\n", number * len(raw) // _LINES_LOOKED_AT) + 1 if number else 0
        line = raw[begin : raw.find(b"\n", begin) + 1 or len(raw)]
        if not line.strip():
            continue
        if len(line) > _LONGEST_LINE:
            raise NotPlain
        found, count = _names(_parsed(line))
        late |= found - names if number >= _LINES_LOOKED_AT // 2 else set()
        names |= found
        lines, objects = lines + 1, objects + count
    check_room((count_lines(block) + 1) * objects // max(1, lines), len(names))
    if len(late) > _LINES_LOOKED_AT:
        raise NotPlain


def _bytes_of(block: memoryview) -> bytes:
    """The bytes of a block, which most are as a whole: these are not copied."""
    return block.obj if isinstance(block.obj, bytes) and len(block.obj) == len(block) else bytes(block)


def _parsed(line: bytes) -> object:
    try:
        return from_json(line)
    except ValueError:
        raise NotPlain from None


def _names(document: object) -> tuple[set[str], int]:
    """The names in a document's objects, and how many records it has."""
    many = document.get("metrics") if isinstance(document, dict) else None
    records = many if isinstance(many, list) else [document]
    found = set[str]()
    for record in records:
        for name, value in record.items() if isinstance(record, dict) else ():
            found.update([name], value if isinstance(value, dict) else ())
    return found, len(records)


def _json(block: memoryview, texts: pa.Schema) -> pa.RecordBatch:
    from pyarrow import json

    # One block: types are inferred from all rows.
    table = json.read_json(
        pa.BufferReader(block),
        read_options=json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        parse_options=json.ParseOptions(explicit_schema=texts, newlines_in_values=False),
    )
    if not _is_utf8(block):
        raise NotPlain
    (batch,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return batch


def _csv(block: memoryview, delimiter: str, header: list[str]) -> pa.RecordBatch:
    from pyarrow import csv

    table = csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=header),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    (batch,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return batch


def _is_utf8(block: memoryview) -> bool:
    """Whether bytes are UTF-8, which Arrow does not check for JSON."""
    if np.frombuffer(block, np.int8).min(initial=0) >= 0:
        return True
    try:
        pa.array([block], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _has_odd_numbers(block: memoryview) -> bool:
    """Whether there may be a `-0`, which Arrow reads as 0, or a number too small for a float."""
    data, at = np.frombuffer(block, np.uint8), places_of(_MINUS, block)
    at = at[(at > 0) & (at < len(data) - 3)]
    zero = (data[at + 1] == _ZERO) & _ENDS[data[at + 2]] & _BEGINS[data[at - 1]]
    if zero.any():
        return True
    small = ((data[at - 1] | 32) == ord("e")) & _IS_DIGIT[data[at + 1]] & _IS_DIGIT[data[at + 2]]
    # Strings have many of these, such as hexadecimal digits.
    exponents = at[small & _IS_DIGIT[data[at + 3]]].tolist()
    return any(_BEFORE_EXPONENT.search(block[max(0, each - _LONGEST_LOOKED_AT) : each]) for each in exponents)


def _is_plain_csv(block: memoryview, delimiter: str) -> bool:
    """Whether quotes only enclose values or are doubled, and all lines, also the last one, end alike."""
    raw = _bytes_of(block)
    if not raw.endswith(b"\n") or b"\0" in raw or raw.count(b"\r") != raw.count(b"\r\n"):
        return False
    data, quotes = np.frombuffer(block, np.uint8), places_of(_QUOTE, block)
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before, behind = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
    before[[ord(delimiter), *b'"\n']] = behind[[ord(delimiter), *b'"\r\n']] = True
    begins = before[data[np.maximum(opening - 1, 0)]] | (opening == 0)
    return bool(begins.all() and behind[data[closing + 1]].all())


def _with_texts(schema: pa.Schema) -> pa.Schema:
    """Replace temporal types of a schema by strings."""
    return pa.schema([_with_text(each) for each in schema])


def _with_text(field: pa.Field) -> pa.Field:
    if pa.types.is_temporal(field.type):
        return field.with_type(pa.string())
    if pa.types.is_struct(field.type):
        return field.with_type(pa.struct([_with_text(each) for each in field.type]))
    if pa.types.is_list(field.type):
        return field.with_type(pa.list_(_with_text(field.type.value_field)))
    return field


def _texts_of(schema: pa.Schema) -> pa.Schema:
    """Only the string fields of a schema, also those inside objects."""
    return pa.schema([each for each in map(_text_of, schema) if each is not None])


def _text_of(field: pa.Field) -> pa.Field | None:
    if pa.types.is_string(field.type):
        return field
    if pa.types.is_list(field.type):
        inside = _text_of(field.type.value_field)
        return inside and field.with_type(pa.list_(inside))
    if not pa.types.is_struct(field.type):
        return None
    inside = [each for each in map(_text_of, field.type) if each is not None]
    return field.with_type(pa.struct(inside)) if inside else None


def _inside(batch: pa.RecordBatch, name: str) -> dict[str, pa.Array]:
    """The columns of the objects that records have under a name."""
    place = batch.schema.get_field_index(name)
    if place < 0 or pa.types.is_null(batch.column(place).type):
        return {}
    column = batch.column(place)
    if not pa.types.is_struct(column.type):
        raise NotPlain
    return dict(zip((each.name for each in column.type), column.flatten(), strict=True))


def _has_values(values: pa.Array) -> bool:
    return bool(values.null_count < len(values))


def _tag(values: pa.Array) -> pa.Array:
    if not (pa.types.is_string(values.type) or pa.types.is_int64(values.type) or pa.types.is_boolean(values.type)):
        raise NotPlain
    return values.cast(pa.string())


def _are_exact(values: pa.Array) -> bool:
    """Whether numbers are small enough that integers among them are exact as floats, and none is infinite or NaN."""
    largest = pc.max(pc.abs(values)).as_py()
    return (largest is None or largest < LARGEST_EXACT) and not pc.any(pc.is_nan(values)).as_py()
