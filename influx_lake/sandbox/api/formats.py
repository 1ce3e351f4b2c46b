"""The result formats of the HTTP query interface, streamed batch by batch where the server also streams."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


class Format(StrEnum):
    """A format by its name in `format=`."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PRETTY = "pretty"
    PARQUET = "parquet"

    @classmethod
    def parse(cls, name: str) -> Format:
        """Parse a format's name.

        Raises:
            ValueError: for an unknown one, with the server's message.
        """
        try:
            return cls("jsonl" if name == "json_lines" else name)
        except ValueError:
            expected = "`parquet`, `csv`, `pretty`, `json`, `jsonl`"
            raise ValueError(f"unknown variant `{name}`, expected one of {expected}") from None

    @classmethod
    def accepted(cls, accept: str | None) -> Format:
        """The format for an `Accept` header.

        Raises:
            ValueError: for an unsupported type, with the server's message.
        """
        if accept is None:
            return cls.JSON
        try:
            return _ACCEPTED[accept]
        except KeyError:
            raise ValueError(
                f"invalid mime type ({accept}), available types are application/vnd.apache.parquet, text/csv, "
                "text/plain, application/jsonl, and application/json"
            ) from None

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES[self]

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """Write the rows."""
        return _ENCODERS[self](schema, batches)


_ACCEPTED = {
    "application/json": Format.JSON,
    "*/*": Format.JSON,
    "application/jsonl": Format.JSONL,
    "text/csv": Format.CSV,
    "text/plain": Format.PRETTY,
    "application/vnd.apache.parquet": Format.PARQUET,
}
_QUOTE = '"'
_QUOTED = re.compile(r'[,"\r\n]')
_NOTHING = '""'
_CONTENT_TYPES = {
    Format.JSON: "application/json",
    Format.JSONL: "application/jsonl",
    Format.CSV: "text/csv",
    Format.PRETTY: "text/plain; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def _json(_schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    separator = b"["
    for batch in batches:
        for row in _records(batch):
            yield separator + row
            separator = b","
    yield b"[]" if separator == b"[" else b"]"


def _jsonl(_schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    for batch in batches:
        yield b"".join(row + b"\n" for row in _records(batch))


def _records(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Each row as a JSON object without its nulls."""
    columns = [_values(array) for array in batch.columns]
    names = batch.schema.names
    for values in zip(*columns, strict=True):
        row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        yield json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    header = True
    for batch in batches:
        columns = [list(map(_cell, _texts(array))) for array in batch.columns]
        rows = [*([map(_cell, schema.names)] if header else []), *zip(*columns, strict=True)]
        header = False
        # An empty line would not be a row.
        yield "".join(f"{','.join(row) or _NOTHING}\n" for row in rows).encode()


def _cell(text: str) -> str:
    """Format a value as Rust's `csv` does, which also quotes carriage returns, unlike Python's."""
    return f'"{text.replace(_QUOTE, _QUOTE * 2)}"' if _QUOTED.search(text) else text


def _pretty(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    rows = [list(row) for batch in batches for row in zip(*(_texts(array) for array in batch.columns), strict=True)]
    widths = [max(map(len, column)) for column in zip(schema.names, *rows, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [rule, _pretty_row(schema.names, widths), rule, *(_pretty_row(row, widths) for row in rows)]
    yield "\n".join([*lines, rule] if rows else lines).encode()


def _pretty_row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + " |"


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    table = pa.Table.from_batches(batches, schema)
    if table.num_rows:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        yield sink.getvalue().to_pybytes()


def _values(array: pa.Array) -> list[Any]:
    """Values for JSON; those without a JSON form become strings."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        return _moments(array)
    if pa.types.is_temporal(kind) or pa.types.is_binary(kind) or pa.types.is_decimal(kind):
        array = pc.cast(array, pa.string())
    return list(array.to_pylist())


def _texts(array: pa.Array) -> list[str]:
    """Values as strings; null is empty."""
    kind = array.type
    values = _values(array)
    if pa.types.is_floating(kind):
        return ["" if value is None else _float_text(value) for value in values]
    if pa.types.is_boolean(kind):
        return ["" if value is None else str(value).lower() for value in values]
    return ["" if value is None else str(value) for value in values]


def _float_text(value: float) -> str:
    return repr(value).replace("e+", "e")


def _moments(array: pa.Array) -> list[str | None]:
    """ISO times with as many groups of three decimals as needed; `Z` is only added for types with a zone."""
    zoned = array.type.tz is not None
    naive = array.cast(pa.timestamp(array.type.unit)) if zoned else array
    text = pc.strftime(naive, format="%Y-%m-%dT%H:%M:%S")
    text = pc.replace_substring_regex(text, r"\.?(000)+$", "")
    return [value + "Z" if zoned and value is not None else value for value in text.to_pylist()]


_ENCODERS: dict[Format, Callable[[pa.Schema, Iterable[pa.RecordBatch]], Iterator[bytes]]] = {
    Format.JSON: _json,
    Format.JSONL: _jsonl,
    Format.CSV: _csv,
    Format.PRETTY: _pretty,
    Format.PARQUET: _parquet,
}
