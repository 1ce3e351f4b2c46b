"""Parses annotated CSV, Flux's response format: blocks of rows below a header, with annotations of column types above
it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.errors import SourceError
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.http.documents import shown
from influx_lake.sources.http.records import whole_records

_TYPES = {
    "double": pa.float64(),
    "long": pa.int64(),
    "unsignedLong": pa.uint64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "dateTime:RFC3339": pa.timestamp("ns", "UTC"),
    "dateTime:RFC3339Nano": pa.timestamp("ns", "UTC"),
}
_KEY_TYPE = pa.dictionary(pa.int32(), pa.string())
_ANNOTATION = b"#"
_BYTES_AT_ONCE = 1 << 21
_LARGE = 1 << 15
_ERROR = "error"
TABLE = "table"
_NEVER_ABSENT = (TABLE, "_time", "_value")
_LAST_PLACE_OF_TABLE = 2
_UNUSED = {"", "result", "_start", "_stop", "_measurement"}
_END = b"\r\n"


@dataclass(frozen=True, slots=True)
class Header:
    """The header and annotations of a block.

    Attributes:
        names: The columns; the first one has no name and no values.
        types: Their types.
        keys: Which of them have one value in all rows of a table (the group key).
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    keys: tuple[bool, ...]


def tables(chunks: Iterable[bytes], failures: HttpFailures, *, results: int = 1) -> Iterator[pa.Table]:
    """The rows of a response as `blocks` returns them, table by table."""
    for block in blocks(chunks, failures, results=results):
        yield from block


def blocks(chunks: Iterable[bytes], failures: HttpFailures, *, results: int = 1) -> Iterator[list[pa.Table]]:
    """Yield the rows of a response in blocks: rows below equal headers together, each ordered by Flux's tables.

    Where series have few points, the header changes with every field, so there are as many headers as values. An empty
    string is an empty string, since Flux has no row for a missing value; other types have no empty text. Strings of the
    group key become dictionaries. Columns that repeat the query are left out.

    A response has an empty line after each result, also after one without rows (InfluxDB 2.7). It has one after each
    change of the header too, so a response that was cut there looks complete.

    Args:
        chunks: The response.
        failures: Makes the errors.
        results: The number of results of the query.

    Raises:
        SourceError: The response holds an error, is not annotated CSV, or is not complete.
    """
    above: dict[str, tuple[str, ...]] = {}
    header: Header | None = None
    for text, cut in _parts(chunks, failures, results):
        rows: dict[Header, list[tuple[int, int]]] = {}
        if header is None and not above and not text.lstrip().startswith(_ANNOTATION[: len(text.lstrip())]):
            received = text.decode("utf-8", "backslashreplace").strip()
            raise failures.odd(f"the response is not annotated CSV: {shown(received)}")
        wrong = failures.truncated if cut else failures.odd
        for start, end in _pieces(text):
            if text.startswith(_ANNOTATION, start):
                if header is not None:
                    above, header = {}, None
                name, *values = _record(text[start:end], wrong)
                above[name] = ("", *values)
                continue
            below = start
            if header is None:
                below = text.find(b"\n", start, end) + 1 or end
                header = _header(_record(text[start:below].removesuffix(b"\n"), wrong), above, wrong)
            if below < end:
                rows.setdefault(header, []).append((below, end))
        yield [
            _rows(together, header, failures, cut=cut)
            for header, parts in rows.items()
            for together in _together(text, parts)
        ]


@lru_cache(maxsize=256)
def _values(line: bytes) -> tuple[str, ...]:
    (values,) = csv.reader(io.StringIO(line.decode("utf-8").rstrip("\r")), strict=True)
    return tuple(values)


def _record(line: bytes, wrong: Callable[[str], SourceError]) -> tuple[str, ...]:
    try:
        return _values(line)
    except (ValueError, csv.Error) as error:
        raise wrong(f"a record is not CSV: {error}") from None


def _parts(chunks: Iterable[bytes], failures: HttpFailures, results: int) -> Iterator[tuple[bytes, bool]]:
    """The records of a response, and whether the end is missing."""
    before = b""
    for text, is_rest in whole_records(chunks, failures, _BYTES_AT_ONCE):
        if not is_rest:
            before = text[-2 * len(_END) :]
            yield text, False
            continue
        if not before and text == _END * results:
            return
        cut = (before + text)[-2 * len(_END) :] != _END * 2 or text.count(b'"') % 2 == 1
        if text.strip():
            # The rest first, since it may be an error message.
            yield text, cut
        elif not before:
            raise failures.truncated("the response is empty; one without rows has an empty line for each result")
        if cut:
            raise failures.truncated("the response ended without its final empty line")


def _pieces(text: bytes) -> Iterator[tuple[int, int]]:
    """The start and end of each annotation, and of the text between them."""
    start = 0
    while start < len(text):
        if text.startswith(_ANNOTATION, start):
            end = text.find(b"\n", start) + 1 or len(text)
            while end < len(text) and text.count(b'"', start, end) % 2:
                end = text.find(b"\n", end) + 1 or len(text)
        else:
            end = _next_annotation(text, start)
        if end - start > _LARGE or not text[start:end].isspace():
            yield start, end
        start = end


def _next_annotation(text: bytes, start: int) -> int:
    # Searching for one byte is several times as fast as for two, and strings with that byte are rare.
    end = text.find(_ANNOTATION, start + 1)
    while end != -1 and (not text.startswith(b"\n", end - 1) or _is_open(text, start, end)):
        end = text.find(_ANNOTATION, end + 1)
    return len(text) if end == -1 else end


def _is_open(text: bytes, start: int, end: int) -> bool:
    """Whether a quote is open at the end of a part: to look for one is several times as fast as to count them."""
    return text.find(b'"', start, end) != -1 and text.count(b'"', start, end) % 2 == 1


def _header(names: tuple[str, ...], above: dict[str, tuple[str, ...]], wrong: Callable[[str], SourceError]) -> Header:
    types = above.get("#datatype")
    if types is None or len(types) != len(names) or len({*names}) != len(names):
        raise wrong("a header is not that of annotated CSV")
    keys = above.get("#group") or [""] * len(names)
    return Header(names, types, tuple(key == "true" for key in keys))


@dataclass(frozen=True, slots=True)
class _Records:
    """Records in a text, which is not copied; those of a table may be known to be consecutive."""

    text: bytes
    start: int
    end: int
    consecutive: bool

    def __len__(self) -> int:
        return self.end - self.start

    def content(self) -> bytes:
        return self.text[self.start : self.end]

    def buffer(self) -> pa.Buffer:
        return pa.py_buffer(self.text).slice(self.start, len(self))


def _together(text: bytes, parts: list[tuple[int, int]]) -> list[_Records]:
    """Join small parts: starting to parse a part costs as much as hundreds of rows."""
    small = b"\n".join([text[start:end] for start, end in parts if end - start < _LARGE])
    large = [_Records(text, start, end, consecutive=True) for start, end in parts if end - start >= _LARGE]
    return [*large, _Records(small, 0, len(small), consecutive=False)] if small else large


def _rows(records: _Records, header: Header, failures: HttpFailures, *, cut: bool) -> pa.Table:
    from pyarrow import csv as arrow_csv

    if _ERROR in header.names:
        first = next(csv.reader(io.StringIO(records.content().decode("utf-8", "replace"))), [])
        said = dict(zip(header.names, first, strict=False))
        raise failures.refused(said.get(_ERROR) or "the query failed, and the server does not say why")
    unknown = sorted(set(header.types[1:]) - _TYPES.keys())
    if unknown:
        raise failures.odd(f"a column has the type {unknown[0]!r}, which this version does not know")
    wrong = failures.truncated if cut else failures.odd
    # The server's CSV writes line breaks in strings as \r\n too, and has dropped every other \r.
    quoted = records.text.find(b'"', records.start, records.end) != -1
    if quoted:
        text = records.content().replace(b"\r\n", b"\n")
        records = _Records(text, 0, len(text), consecutive=False)
    places = [str(place) for place in range(len(header.names))]
    wanted = {place: name for place, name in zip(places, header.names, strict=True) if name not in _UNUSED}
    known = None if quoted else _keys_of_tables(records, header, wrong)
    keys = known.columns if known else {}
    try:
        found = arrow_csv.read_csv(
            records.buffer(),
            read_options=arrow_csv.ReadOptions(column_names=places, use_threads=False, block_size=len(records) + 1),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=quoted),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict(zip(places, map(_arrow_type, header.types, header.keys), strict=True)),
                include_columns=[place for place, name in wanted.items() if name not in keys],
                null_values=[""],
                strings_can_be_null=False,
                true_values=["true"],
                false_values=["false"],
            ),
        )
    except pa.ArrowInvalid as error:
        raise wrong(f"a record cannot be read: {error}") from None
    repeated = known.repeated(found[places[header.names.index(TABLE)]], wrong) if known else {}
    columns = [repeated[name] if name in repeated else found[place] for place, name in wanted.items()]
    return _checked(pa.table(columns, list(wanted.values())), wrong)


@dataclass(frozen=True, slots=True)
class _TableKeys:
    """The group key's strings of consecutive tables, so that Arrow need not parse them in each row.

    Attributes:
        numbers: The tables.
        columns: Their values of each column.
    """

    numbers: list[bytes]
    columns: dict[str, list[str]]

    def repeated(self, numbers: pa.ChunkedArray, wrong: Callable[[str], SourceError]) -> dict[str, pa.Array]:
        """The columns, for rows of these tables."""
        runs = pc.run_end_encode(numbers.combine_chunks(), run_end_type=pa.int64())
        if runs.values.to_pylist() != [int(number) for number in self.numbers]:
            raise wrong("the rows of a table are not consecutive")
        lengths = np.diff(runs.run_ends.to_numpy(), prepend=0)
        return {name: _repeated(values, lengths) for name, values in self.columns.items()}


def _keys_of_tables(records: _Records, header: Header, wrong: Callable[[str], SourceError]) -> _TableKeys | None:
    """The group key's strings of the tables in a text without quotes; None where the tables are many and small."""
    place = header.names.index(TABLE) if TABLE in header.names else len(header.names)
    if place > _LAST_PLACE_OF_TABLE:
        return None
    names = [
        name
        for name, kind, is_key in zip(header.names, header.types, header.keys, strict=True)
        if is_key and name not in _UNUSED and _arrow_type(kind, is_key) == _KEY_TYPE
    ]
    keys = _TableKeys([], {name: [] for name in names})
    text, start, stop = records.text, records.start, records.end
    while stop > start and text[stop - 1] in _END:
        stop -= 1
    while start < stop:
        line = text[start : text.find(b"\n", start, stop) + 1 or stop]
        values = line.split(b",", place + 1)[: place + 1]
        record = _record(line.rstrip(_END), wrong)
        if len(record) != len(header.names) or len(keys.numbers) > 1 + (start - records.start) // _LARGE:
            return None
        keys.numbers.append(values[place])
        for name, value in zip(header.names, record, strict=True):
            if name in keys.columns:
                keys.columns[name].append(value)
        start = _end_of_table(text, start, stop, b",".join([*values, b""]))
        if start < stop and not records.consecutive:
            return None
    return keys


def _end_of_table(text: bytes, start: int, stop: int, same: bytes) -> int:
    """The end of a table, if its rows are consecutive.

    Args:
        text: The rows of several tables.
        start: The start of the table.
        stop: The end of the last table.
        same: What all rows of the table start with.
    """
    if text.startswith(same, text.rfind(b"\n", start, stop) + 1 or start):
        return stop
    other = stop
    while True:
        middle = (start + other) // 2
        line = text.rfind(b"\n", start, middle) + 1 or text.find(b"\n", middle, other) + 1
        if line in {0, other}:
            return other
        if text.startswith(same, line):
            start = line
        else:
            other = line


def _repeated(values: list[str], lengths: npt.NDArray[np.int64]) -> pa.Array:
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    indices = np.repeat(np.array([places[value] for value in values], np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(indices), list(places))


def _checked(rows: pa.Table, wrong: Callable[[str], SourceError]) -> pa.Table:
    """The rows, if each has its table, time and value: Flux has no row for a missing value."""
    for name in {*_NEVER_ABSENT} & {*rows.column_names}:
        column = rows[name]
        if column.null_count or (pa.types.is_floating(column.type) and pc.all(pc.is_finite(column)).as_py() is False):
            raise wrong(f"a row has no {name}, or one that InfluxDB cannot hold")
    return rows


def _arrow_type(kind: str, is_key: bool) -> pa.DataType:
    known = _TYPES.get(kind, pa.string())
    return _KEY_TYPE if is_key and known == pa.string() else known
