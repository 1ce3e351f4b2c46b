"""Rows are split to partitions wherever their buffers lie in memory."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, Transform, TruncateTransform
from pyiceberg.types import NestedField, StringType

from influx_lake.iceberg.partitioning import Partitioner

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
