"""Two streams of rows meet slice by slice of time, and are kept aside only where they are not in order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.iceberg.merge import time_buckets
from influx_lake.iceberg.merge.lookahead_stream import LookaheadStream, RemainingTimes
from influx_lake.iceberg.merge.time_buckets import TimeBuckets, pairs
from influx_lake.row_buffer import RowBuffer

SCHEMA = pa.schema([("time", pa.timestamp("us")), ("row", pa.int64())])
END = 1_000


def arriving(streamed: Sequence[Sequence[int]]) -> LookaheadStream:
    """A stream of batches with these times, and a number for each row."""
    batches, first = [], 0
    for times in streamed:
        numbers = pa.array(range(first, first + len(times)), pa.int64())
        batches.append(pa.record_batch([pa.array(times, pa.timestamp("us")), numbers], schema=SCHEMA))
        first += len(times)
    return LookaheadStream(iter(batches), RemainingTimes.of(batch.column("time") for batch in batches))


def met(one: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> list[tuple[pa.Table, pa.Table]]:
    slices = [TimeBuckets(SCHEMA, "time", 0, END) for _ in range(2)]
    return list(pairs(slices[0], arriving(one), slices[1], arriving(other)))


def open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def rows_of(tables: Sequence[pa.Table]) -> list[tuple[int, int]]:
    return [
        (time, row)
        for table in tables
        for time, row in zip(table["time"].cast(pa.int64()).to_pylist(), table["row"].to_pylist(), strict=True)
    ]


streams = st.lists(st.lists(st.integers(0, END - 1), max_size=12), max_size=8)


@settings(max_examples=40)
@given(one=streams, other=streams, in_memory=st.sampled_from([0, 200, 10**9]), at_once=st.sampled_from([64, 10**9]))
def test_every_row_meets_those_of_its_time(
    one: list[list[int]], other: list[list[int]], in_memory: int, at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_buckets, "IN_MEMORY_BYTES", in_memory)
        patch.setattr(time_buckets, "PAIR_BYTES", at_once)
        before = open_files()
        found = met(one, other)
        # What others left to be collected may be closed meanwhile.
        assert open_files() <= before
    for side, stream in enumerate((one, other)):
        numbered = list(enumerate(time for times in stream for time in times))
        assert sorted(rows_of([pair[side] for pair in found])) == sorted((time, row) for row, time in numbered)
    spans = [[time for time, _ in rows_of(pair)] for pair in found]
    for before, after in pairwise(spans):
        assert max(before) < min(after), "no two pairs share a time, and the oldest come first"


def test_streams_that_are_nearly_in_order_are_not_kept_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[RowBuffer] = []

    def write_out(aside: RowBuffer) -> None:
        written.append(aside)

    monkeypatch.setattr(RowBuffer, "write_out", write_out)
    monkeypatch.setattr(time_buckets, "IN_MEMORY_BYTES", 1_000)
    in_order = [[ten * 10 + unit for unit in (7, 3, 5)] for ten in range(END // 10)]
    assert sum(len(one) + len(other) for one, other in met(in_order, in_order)) == 600
    assert written == []
    met(in_order[::-1], in_order)
    assert written


def test_a_row_that_comes_too_late_is_not_lost_in_silence() -> None:
    slices = TimeBuckets(SCHEMA, "time", 0, END)
    slices.drop(0)
    with pytest.raises(RuntimeError, match="a bucket that was dropped"):
        slices.add(pa.record_batch([pa.array([0], pa.timestamp("us")), pa.array([1])], schema=SCHEMA))
