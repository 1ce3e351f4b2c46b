"""Rows are split to partitions by what each of them says, and wherever their buffers lie in memory."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import NestedField, StringType, TimestamptzType

from influx_lake.iceberg.writer.partitioner import Partitioner

SCHEMA = Schema(NestedField(1, "host", StringType(), required=False))


def unaligned(values: pa.Array) -> pa.Array:
    """The same values in buffers at odd addresses, as a stream from the network may have them."""
    buffers = []
    for buffer in values.buffers():
        if buffer is not None:
            memory = bytearray(buffer.size + 2)
            space = pa.py_buffer(memory)
            begin = 1 - space.address % 2
            memory[begin : begin + buffer.size] = buffer.to_pybytes()
            buffer = space.slice(begin, buffer.size)  # noqa: PLW2901
            assert buffer.address % 2
        buffers.append(buffer)
    return pa.Array.from_buffers(values.type, len(values), buffers)


@pytest.mark.parametrize("transform", [BucketTransform(4), TruncateTransform(1)])
def test_buffers_at_odd_addresses(transform: Transform[str, object]) -> None:
    spec = PartitionSpec(PartitionField(1, 1000, transform, "part"))
    dictionary = unaligned(pa.array(["a1", "b2", "b3"]))
    rows = pa.table({"host": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0], pa.int32()), dictionary)})
    parts = [part.column("host").to_pylist() for _, part in Partitioner(spec, SCHEMA).split(rows)]
    assert sorted(host for part in parts for host in part) == ["a1", "a1", "b2", "b3"]


TIMED = Schema(NestedField(1, "at", TimestamptzType(), required=False))
TRANSFORMS: list[Transform[int, int]] = [HourTransform(), DayTransform(), MonthTransform(), YearTransform()]


@given(
    at=st.lists(st.none() | st.integers(-(2**55), 2**55) | st.integers(-(10**11), 10**11), min_size=1, max_size=60),
    transform=st.sampled_from(TRANSFORMS),
)
def test_times_are_split_as_each_of_them_says(at: list[int | None], transform: Transform[int, int]) -> None:
    spec = PartitionSpec(PartitionField(1, 1000, transform, "part"))
    made = transform.transform(TimestamptzType())
    expected: dict[int | None, list[int | None]] = {}
    for time in at:
        expected.setdefault(made(time), []).append(time)
    rows = pa.table({"at": pa.array(at, pa.timestamp("us", "UTC"))})
    found = {
        partition.key.partition[0] if partition.key else None: part.column("at").cast(pa.int64()).to_pylist()
        for partition, part in Partitioner(spec, TIMED).split(rows)
    }
    assert found == expected
