"""Splits rows by a table's partition spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionField, PartitionKey, PartitionSpec
    from pyiceberg.schema import Schema


@dataclass(frozen=True, slots=True)
class Partition:
    """An Iceberg partition of a table.

    Attributes:
        path: Its folder below the table's data.
        key: Its values; None: the table is not partitioned.
    """

    path: str
    key: PartitionKey | None


_PER_HOUR = {"s": 3_600, "ms": 3_600_000, "us": 3_600_000_000, "ns": 3_600_000_000_000}
_MOST_HOURS = 2**20
UNPARTITIONED = Partition("", None)


class Partitioner:
    """Splits tables of one schema by the Iceberg partitions of their rows.

    Args:
        spec: The table's partition spec.
        schema: The table's schema; the rows have its columns, in its order.
    """

    def __init__(self, spec: PartitionSpec, schema: Schema) -> None:
        self._spec = spec
        self._schema = schema
        # A window has few partitions, and building a key and its path with pyiceberg is slow.
        self._partitions: dict[str, Partition] = {}
        self._position = {field.field_id: index for index, field in enumerate(schema.fields)}

    def split(self, rows: pa.Table) -> Iterator[tuple[Partition, pa.Table]]:
        """Yield each partition of the rows once, with its rows.

        Rows of a single partition are returned as they are. Others are copied: a slice that is buffered for its row
        group would keep the rows of all other partitions in memory.
        """
        if (single := self._single(rows)) is not None:
            yield (self._partition(single) if single else UNPARTITIONED), rows
            return
        values = [self._encoded(field, rows) for field in self._spec.fields]
        numbers = _numbered([value.indices for value in values], [len(value.dictionary) for value in values])
        order = pc.array_sort_indices(numbers)
        whole = rows.combine_chunks().to_batches()[0]
        begin = 0
        for count in filter(None, np.bincount(numbers.to_numpy()).tolist()):
            part = order.slice(begin, count)
            partition = self._partition([value[part[0].as_py()].as_py() for value in values])
            yield (
                partition,
                pa.Table.from_batches([pc.take(whole, part, boundscheck=False) if count < len(rows) else whole]),
            )
            begin += count

    def is_single(self, rows: pa.Table) -> bool:
        """Whether all rows certainly belong to one partition: true of most chunks of a day, and cheap to find out."""
        return self._single(rows) is not None

    def _single(self, rows: pa.Table) -> list[Any] | None:
        """The values of the partition that all rows certainly belong to; None where there may be several."""
        values: list[Any] = []
        for field in self._spec.fields:
            ends = self._ends(field, rows)
            if ends is None or ends[0] != ends[1]:
                return None
            values.append(ends[0].as_py())
        return values

    def _ends(self, field: PartitionField, rows: pa.Table) -> pa.Array | None:
        """The field's values for the first and last time; None for other columns."""
        from pyiceberg.transforms import TimeTransform

        source = rows.column(self._position[field.source_id])
        if not isinstance(field.transform, TimeTransform) or source.null_count or not len(rows):
            return None
        extremes = pc.min_max(source)
        return self._apply(field, pa.array([extremes["min"], extremes["max"]], source.type))

    def _encoded(self, field: PartitionField, rows: pa.Table) -> pa.DictionaryArray:
        """The field's value for every row; null is one of the dictionary's values."""
        from pyiceberg.transforms import TimeTransform

        source = rows.column(self._position[field.source_id]).combine_chunks()
        # A tag has few values, and so has a time by the hour, which is all that transforms depend on: each value is
        # transformed once.
        if isinstance(field.transform, TimeTransform):
            few = _by_hour(source)
        else:
            few = source if pa.types.is_dictionary(source.type) else source.dictionary_encode()
        values = few.dictionary
        if few.null_count:
            values = pa.concat_arrays([values, pa.nulls(1, values.type)])
        made = self._apply(field, values).dictionary_encode(null_encoding="encode")
        numbers = made.indices.take(few.indices.fill_null(len(few.dictionary)))
        return pa.DictionaryArray.from_arrays(numbers, made.dictionary)

    def _apply(self, field: PartitionField, values: pa.Array) -> pa.Array:
        transform = field.transform.pyarrow_transform(self._schema.find_field(field.source_id).field_type)
        return transform(_aligned(values))

    def _partition(self, values: list[Any]) -> Partition:
        from pyiceberg.partitioning import PartitionFieldValue, PartitionKey

        # By its text, which distinguishes -0.0 from 0.0.
        known = repr(values)
        if known not in self._partitions:
            pairs = zip(self._spec.fields, values, strict=True)
            fields = [PartitionFieldValue(field, value) for field, value in pairs]
            key = PartitionKey(fields, self._spec, self._schema)
            self._partitions[known] = Partition(key.to_path(), key)
        return self._partitions[known]


def _by_hour(times: pa.Array) -> pa.DictionaryArray:
    """Times rounded to the hour, as a dictionary."""
    if not pa.types.is_timestamp(times.type) or times.null_count or not len(times):
        return times.dictionary_encode()
    per_hour = _PER_HOUR[times.type.unit]
    hours = times.cast(pa.int64()).to_numpy() // per_hour
    first = int(hours.min())
    if int(hours.max()) - first > _MOST_HOURS:
        return times.dictionary_encode()
    hours -= first
    there = np.flatnonzero(np.bincount(hours))
    places = np.zeros(there[-1] + 1, np.int32)
    places[there] = np.arange(len(there))
    whole_hours = pa.array((there + first) * per_hour)
    return pa.DictionaryArray.from_arrays(pa.array(places[hours]), whole_hours.cast(times.type))


def _aligned(values: pa.Array) -> pa.Array:
    """An aligned copy: the transforms, in Rust, panic on buffers as they arrive from the network."""
    return pa.concat_arrays([values, values.slice(0, 0)])


def _numbered(columns: list[pa.Array], sizes: list[int]) -> pa.Array:
    """One small integer per row, equal where the integers of all columns are."""
    numbers = columns[0]
    for column, size in zip(columns[1:], sizes[1:], strict=True):
        wide = pc.add(pc.multiply(numbers.cast(pa.int64()), size), column.cast(pa.int64()))
        # Encoded again, so that the product of many columns stays small.
        numbers = wide.dictionary_encode().indices
    return numbers
