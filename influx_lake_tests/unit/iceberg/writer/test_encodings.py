"""Each column gets the encoding that is small for what it holds, and none costs more than pyarrow's own choice."""

from __future__ import annotations

import hashlib
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influx_lake.iceberg.writer.encodings import Encoding
from influx_lake.iceberg.writer.file_format import FileFormat
from influx_lake.iceberg.writer.write_settings import WriteSettings

COUNT = 60_000
RANDOM = random.Random(7)
COLUMNS: dict[str, tuple[Encoding, list[object]]] = {
    "noise": (Encoding.PLAIN, [RANDOM.random() for _ in range(COUNT)]),
    "one decimal": (Encoding.DICTIONARY, [round(20 + 10 * RANDOM.random(), 1) for _ in range(COUNT)]),
    "counter": (Encoding.DELTA, [1_000 * i + RANDOM.randrange(900) for i in range(COUNT)]),
    "codes": (Encoding.DICTIONARY, [RANDOM.choice([2**40, 2**50, 17]) for _ in range(COUNT)]),
    "hash": (Encoding.PLAIN, [RANDOM.getrandbits(63) for _ in range(COUNT)]),
    "host": (Encoding.DICTIONARY, [f"host-{RANDOM.randrange(200)}" for _ in range(COUNT)]),
    "uuid": (Encoding.PLAIN, [hashlib.md5(str(i).encode()).hexdigest() for i in range(COUNT)]),
}


def table(name: str) -> pa.Table:
    return pa.table({name: pa.array(COLUMNS[name][1])})


def size(rows: pa.Table, **options: object) -> int:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, rows.schema, **options) as writer:
        writer.write_table(rows)
    return int(sink.tell())


@pytest.mark.parametrize("name", COLUMNS)
def test_chosen_by_what_a_column_holds(name: str) -> None:
    rows = table(name)
    form = FileFormat.suiting(rows, WriteSettings(), encode_text=False)
    expected = COLUMNS[name][0]
    assert form.options["use_dictionary"] == ([name] if expected is Encoding.DICTIONARY else [])
    assert form.options["column_encoding"] == ({} if expected is Encoding.DICTIONARY else {name: expected.value})
    assert size(rows, **form.options) <= size(rows, compression="zstd")


def test_a_dictionary_that_does_not_pay_is_decoded() -> None:
    encoded = pa.table({"uuid": table("uuid").column(0).dictionary_encode()})
    form = FileFormat.suiting(encoded, WriteSettings(), encode_text=False)
    assert form.conform(encoded).schema.field("uuid").type == pa.string()
    assert form.conform(encoded).column(0).to_pylist() == COLUMNS["uuid"][1]


def test_texts_that_are_copied_become_dictionaries() -> None:
    rows = table("host")
    form = FileFormat.suiting(rows, WriteSettings(), encode_text=True)
    assert pa.types.is_dictionary(form.conform(rows).schema.field("host").type)
    assert form.conform(rows).column(0).to_pylist() == COLUMNS["host"][1]


@pytest.mark.parametrize("distinct", [3, 4_095, 4_097, 9_000])
def test_texts_of_a_row_group_have_one_dictionary(distinct: int) -> None:
    texts = [f"host-{number % distinct}" if number % 11 else None for number in range(40_000)]
    rows = pa.table({"host": pa.chunked_array([texts[begin : begin + 10_000] for begin in range(0, 40_000, 10_000)])})
    form = FileFormat.suiting(rows, WriteSettings(), encode_text=False)
    for _ in range(2):
        group = form.row_group(form.conform(rows))
        assert group.schema == form.written == pa.schema({"host": pa.dictionary(pa.int32(), pa.string())})
        assert group.column(0).to_pylist() == texts
        assert len({chunk.dictionary.to_pylist().__str__() for chunk in group.column(0).chunks}) == 1


@pytest.mark.parametrize(("width", "rows"), [(8, 20_000), (1_000, 1_024), (100, 2_520)])
def test_the_size_of_a_page_is_looked_at_in_time(width: int, rows: int) -> None:
    texts = [hashlib.sha512(str(i).encode()).hexdigest().ljust(width, "x")[:width] for i in range(4_000)]
    rows_of_texts = pa.table({"message": texts})
    assert FileFormat.suiting(rows_of_texts, WriteSettings(), encode_text=False).options["write_batch_size"] == rows


def test_a_column_without_values() -> None:
    rows = pa.table({kind: pa.nulls(10, kind) for kind in ("double", "int64", "string", "bool", "timestamp[us]")})
    assert size(rows, **FileFormat.suiting(rows, WriteSettings(), encode_text=True).options)
