"""Rows come out in the order that was asked for, all of them, as they came in."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from functools import cmp_to_key
from pathlib import Path
from struct import pack, unpack
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config.tables.sort_order import SortTerm, parse_sort_term
from influx_lake.errors import StorageError
from influx_lake.iceberg.sort.external_sort import Limits, sorted_batches
from influx_lake_tests.unit.iceberg.sort import big_load
from testbed.measure import in_process

TINY = Limits(run_bytes=3000, chunk_bytes=200, round_bytes=700, runs=3)
"""Some dozens of rows need several runs, and some hundreds several passes."""
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("a.b [x]", pa.string()),
        pa.field('ta"g', pa.dictionary(pa.int32(), pa.string())),
        pa.field("value", pa.float64()),
        pa.field("small", pa.float32()),
        pa.field("big", pa.decimal128(20, 0)),
        pa.field("count", pa.int64()),
        pa.field("ok", pa.bool_(), metadata={"doc": "whether"}),
    ]
)
FLOATS = st.sampled_from([0.0, -0.0, float("nan"), float("-inf"), 1.5, -1.5, 5e-324]) | st.floats(width=32)
ROW = st.tuples(
    st.integers(-(10**15), 10**15),
    st.none() | st.text(max_size=5),
    st.none() | st.sampled_from(["a", "B", "é", "", "\0", "\U0001f600"]),
    st.none() | FLOATS,
    st.none() | FLOATS.map(lambda value: unpack("f", pack("f", value))[0] if abs(value) < 1e38 else 0.0),
    st.none() | st.integers(0, 2**64 - 1).map(Decimal),
    st.none() | st.integers(-3, 3),
    st.none() | st.booleans(),
)
TERMS = st.lists(
    st.builds(SortTerm, st.sampled_from([*SCHEMA.names, "not in the rows"]), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda term: term.column,
).map(tuple)


def batch_of(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = [[row[number] for row in rows] for number in range(len(SCHEMA))]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def batches_of(rows: list[tuple[Any, ...]], size: int) -> list[pa.RecordBatch]:
    return [batch_of(rows[begin : begin + size]) for begin in range(0, len(rows), size)]


def comparable(value: Any) -> Any:
    """What Python compares as Iceberg does, also telling -0.0 from 0.0."""
    if isinstance(value, float):
        bits = unpack(">q", pack(">d", value))[0]
        return bits if bits >= 0 else bits ^ (2**63 - 1)
    return value.encode() if isinstance(value, str) else value


def compared(terms: tuple[SortTerm, ...], left: dict[str, Any], right: dict[str, Any]) -> int:
    for term in terms:
        one, other = comparable(left.get(term.column)), comparable(right.get(term.column))
        if one == other:
            continue
        smaller = one is None or (other is not None and one < other)
        return -1 if smaller != term.descending else 1
    return 0


def exactly(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr([comparable(value) for value in row.values()]) for row in rows)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=60), times=st.integers(1, 12), size=st.integers(1, 50), terms=TERMS)
def test_sorted_and_the_same_rows(
    rows: list[tuple[Any, ...]], times: int, size: int, terms: tuple[SortTerm, ...]
) -> None:
    coming = batches_of(rows * times, size)
    batches = list(sorted_batches(coming, SCHEMA, terms, TINY))
    assert len({str(batch.schema) for batch in batches}) <= 1
    found = pa.Table.from_batches(batches, batches[0].schema if batches else SCHEMA)
    assert found.cast(SCHEMA).schema.equals(SCHEMA, check_metadata=True)
    after, before = found.to_pylist(), pa.Table.from_batches(coming, SCHEMA).to_pylist()
    assert exactly(after) == exactly(before)
    key = cmp_to_key(lambda left, right: compared(terms, left, right))
    known = [term for term in terms if term.column in SCHEMA.names]
    assert not known or [key(row) for row in after] == [key(row) for row in sorted(after, key=key)]


def test_negative_nans_come_first() -> None:
    negative = unpack(">d", pack(">Q", 0xFFF8000000000000))[0]
    schema = pa.schema([("value", pa.float64())])
    values = [float("nan"), 0.0, -0.0, negative, None, float("-inf")]
    found = list(sorted_batches([pa.record_batch([pa.array(values)], schema)], schema, [SortTerm("value")]))
    assert [comparable(value) for value in found[0].column(0).to_pylist()] == [
        comparable(value) for value in (None, negative, float("-inf"), -0.0, 0.0, float("nan"))
    ]


def many(runs: int = 20) -> Iterator[pa.RecordBatch]:
    for number in range(runs):
        times = [(7919 * (i + 100 * number)) % 10_007 for i in range(100)]
        yield batch_of([(time, f"{time}", "x", 1.0, 1.0, None, time, True) for time in times])


def spill_files() -> list[Path]:
    """The nameless files that this process has open where temporary files go."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    targets = [os.readlink(link) for link in links if link.is_symlink()]
    return [Path(target) for target in targets if target.startswith(tempfile.gettempdir()) and "(deleted)" in target]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spilled"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_rows_wait_on_disk_and_leave_nothing(temporary: Path) -> None:
    coming = sorted_batches(many(), SCHEMA, [SortTerm("time")], TINY)
    next(coming)
    assert [os.stat(f"/proc/self/fd/{fd}").st_size > 50_000 for fd in map(int, open_spills())] == [True]
    assert list(temporary.iterdir()) == []
    assert sum(map(len, coming)) > 0
    assert spill_files() == []


def open_spills() -> list[str]:
    found = set(map(str, spill_files()))
    return [name for name in os.listdir("/proc/self/fd") if _target(name) in found]


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        return ""


def test_what_fits_stays_in_memory(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    assert sum(map(len, sorted_batches(many(), SCHEMA, [SortTerm("time")]))) == 2000


def test_a_stream_that_breaks_leaves_nothing(temporary: Path) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield from many()
        assert len(spill_files()) == 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(sorted_batches(breaking(), SCHEMA, [SortTerm("time")], TINY))
    assert spill_files() == []
    assert list(temporary.iterdir()) == []


def test_a_reader_that_stops_leaves_nothing(temporary: Path) -> None:
    coming = sorted_batches(many(), SCHEMA, [SortTerm("time")], TINY)
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert spill_files() == []


@pytest.mark.slow
def test_a_full_disk_says_where(temporary: Path) -> None:
    """In a process of its own, which may write files of 64 KiB only."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536));"
        "from influx_lake_tests.unit.iceberg.sort.test_external_sort import *;"
        "list(sorted_batches(many(), SCHEMA, [SortTerm('time')], TINY))"
    )
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{StorageError.__name__}: rows could not be buffered in temporary files, in {temporary}" in done.stderr
    assert "TMPDIR" in done.stderr
    assert list(temporary.iterdir()) == []


def test_values_of_a_megabyte() -> None:
    schema = pa.schema([("key", pa.int64()), ("text", pa.string())])
    coming = [pa.record_batch([pa.array([-i]), pa.array([chr(97 + i % 26) * 2**20])], schema) for i in range(60)]
    found = list(sorted_batches(coming, schema, [parse_sort_term("key")]))
    assert [len(batch.column(1)[0].as_py()) for batch in found] == [2**20] * len(found)
    assert pa.Table.from_batches(found).column("key").to_pylist() == list(range(-59, 1))


@pytest.mark.parametrize("key", ["text", "count"])
def test_texts_that_turn_out_to_be_many(key: str) -> None:
    """Numbers stand for the first ones on disk; more of them than a dictionary holds are kept as they are."""
    schema = pa.schema([("text", pa.string()), ("count", pa.int64())])
    texts = [f"{(7919 * i) % 30_011:06} {'x' * 60}" if i % 100 else None for i in range(30_000)]
    coming = [
        pa.record_batch([pa.array(texts[i : i + 1000]), pa.array(range(-i, -i - 1000, -1))], schema)
        for i in range(0, len(texts), 1000)
    ]
    limits = Limits(run_bytes=200_000, chunk_bytes=5_000, round_bytes=40_000, runs=6)
    found = pa.Table.from_batches(list(sorted_batches(coming, schema, [SortTerm(key)], limits))).cast(schema)
    after = list(zip(*found.to_pydict().values(), strict=True))
    assert set(after) == set(zip(texts, range(0, -30_000, -1), strict=True))
    assert len(after) == len(texts)
    keys = [row[0] or "" if key == "text" else row[1] for row in after]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.large_string(), ["", "é", None, "b" * 50]),
        (pa.binary(), [b"\xff", b"", None, b"a"]),
        (pa.large_binary(), [b"\xff", b"", None, b"a"]),
        (pa.string_view(), ["", "é", None, "b" * 50]),
        (pa.date32(), [-1, 0, None, 20_000]),
        (pa.uint64(), [2**64 - 1, 0, None, 1]),
        (pa.int64(), [2**63 - 1, -(2**63), None, 1]),
        (pa.int8(), [127, -128, None, 1]),
        (pa.timestamp("us", "UTC"), [2**48, -(2**48), None, 1]),
        (pa.float16(), [1.5, -1.5, None, 0.0]),
        (pa.bool_(), [True, False, None, True]),
        (pa.string(), [None, None, None, None]),
    ],
    ids=str,
)
@pytest.mark.parametrize("descending", [False, True])
def test_every_type_waits_on_disk(kind: pa.DataType, values: list[Any], descending: bool) -> None:
    schema = pa.schema([("key", pa.int64()), ("value", kind)])
    column = pa.array(values, pa.int32()).cast(kind) if pa.types.is_date32(kind) else pa.array(values, kind)
    coming = [pa.record_batch([pa.array([i, 0, i, 1]), column], schema) for i in range(200)]
    batches = list(sorted_batches(coming, schema, [SortTerm("value", descending), SortTerm("key")], TINY))
    found = pa.Table.from_batches(batches).to_pylist()
    expected = pa.Table.from_batches(coming).to_pylist()
    places = {value: place for place, value in enumerate(sorted({v for v in column.to_pylist() if v is not None}))}

    def key(row: dict[str, Any]) -> tuple[int, int]:
        place = places.get(row["value"], -1)
        return (-place if descending else place), row["key"]

    assert [key(row) for row in found] == sorted(map(key, expected))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_window() -> None:
    costs = [in_process(big_load.__name__, str(rows)) for rows in (5_000_000, 20_000_000)]
    assert max(cost.peak_mb - cost.base_mb for cost in costs) < 130
    assert costs[1].peak_mb - costs[0].peak_mb < 25


def test_texts_become_more_and_nothing_is_null() -> None:
    """Numbers of texts get wider twice on the way, and batches are parts of larger arrays."""
    count = 40_000
    place = np.random.default_rng(1).permutation(count)
    whole = pa.table(
        {
            "place": place,
            "host": [f"h{number}" for number in range(count)],
            "value": np.arange(count) / 7,
            "small": pa.array(np.arange(count) % 100, pa.int16()),
        }
    )
    limits = Limits(run_bytes=200_000, chunk_bytes=4_000, round_bytes=50_000, runs=8)
    batches = whole.combine_chunks().to_batches(max_chunksize=3_001)
    found = pa.Table.from_batches(list(sorted_batches(batches, whole.schema, [SortTerm("place")], limits)))
    assert found.cast(whole.schema).equals(whole.sort_by("place"))
