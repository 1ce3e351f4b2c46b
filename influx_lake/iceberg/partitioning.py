"""Splits rows by a table's partition spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionField, PartitionKey, PartitionSpec
    from pyiceberg.schema import Schema


class Partitioner:
    """Splits tables of one schema into the Iceberg partitions their rows belong to.

    Args:
        spec: The table's partition spec.
        schema: The table's schema; the rows have its columns, in its order.
    """

    def __init__(self, spec: PartitionSpec, schema: Schema) -> None:
        self._spec = spec
        self._schema = schema
        self._position = {field.field_id: index for index, field in enumerate(schema.fields)}

    def split(self, rows: pa.Table) -> Iterator[tuple[PartitionKey | None, pa.Table]]:
        """Yield each partition of the rows once, with its key (None: the table is not partitioned).

        Rows of a single partition come as they are. Others are copied: a slice that waits for its row group would keep
        the rows of all other partitions in memory with it.
        """
        if self.is_single(rows):
            yield self._first_key(rows), rows
            return
        values = [self._transformed(field, rows) for field in self._spec.fields]
        numbers = _numbered(values)
        order = pc.array_sort_indices(numbers)
        whole = rows.combine_chunks().to_batches()[0]
        begin = 0
        for count in pc.value_counts(numbers.take(order)).field("counts").to_pylist():
            part = order.slice(begin, count)
            key = self._key([value[part[0].as_py()].as_py() for value in values])
            yield key, pa.Table.from_batches([pc.take(whole, part, boundscheck=False) if count < len(rows) else whole])
            begin += count

    def is_single(self, rows: pa.Table) -> bool:
        """Whether all rows certainly are of one partition: true of most chunks of a day, and cheap to see."""
        return all(self._is_constant(field, rows) for field in self._spec.fields)

    def _is_constant(self, field: PartitionField, rows: pa.Table) -> bool:
        from pyiceberg.transforms import TimeTransform

        source = rows.column(self._position[field.source_id])
        if not isinstance(field.transform, TimeTransform) or source.null_count:
            return False
        extremes = pc.min_max(source)
        ends = self._apply(field, pa.array([extremes["min"], extremes["max"]], source.type))
        return bool(ends[0] == ends[1])

    def _first_key(self, rows: pa.Table) -> PartitionKey | None:
        if self._spec.is_unpartitioned():
            return None
        return self._key([self._transformed(field, rows.slice(0, 1))[0].as_py() for field in self._spec.fields])

    def _transformed(self, field: PartitionField, rows: pa.Table) -> pa.Array:
        source = rows.column(self._position[field.source_id])
        parts = [self._apply(field, chunk) for chunk in source.chunks]
        return pa.concat_arrays(parts) if len(parts) > 1 else parts[0]

    def _apply(self, field: PartitionField, values: pa.Array) -> pa.Array:
        from pyiceberg.transforms import TimeTransform

        transform = field.transform.pyarrow_transform(self._schema.find_field(field.source_id).field_type)
        if isinstance(field.transform, TimeTransform):
            return transform(_aligned(values))
        # The values of a tag are few: each is transformed once.
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        return transform(_aligned(encoded.dictionary)).take(encoded.indices)

    def _key(self, values: list[Any]) -> PartitionKey:
        from pyiceberg.partitioning import PartitionFieldValue, PartitionKey

        pairs = zip(self._spec.fields, values, strict=True)
        return PartitionKey([PartitionFieldValue(field, value) for field, value in pairs], self._spec, self._schema)


def _aligned(values: pa.Array) -> pa.Array:
    """A copy that lies as Rust wants it: the transforms panic at buffers that came from the network as they are."""
    return pa.concat_arrays([values, values.slice(0, 0)])


def _numbered(values: list[pa.Array]) -> pa.Array:
    """One small number per row, the same where all values are the same; nulls are values of their own."""
    numbers = pa.nulls(len(values[0]), pa.int64()).fill_null(0)
    for column in values:
        encoded = column.dictionary_encode(null_encoding="encode")
        combined = pc.add(pc.multiply(numbers, len(encoded.dictionary)), encoded.indices.cast(pa.int64()))
        # Numbered anew, so that the product of many columns stays small.
        numbers = combined.dictionary_encode().indices.cast(pa.int64())
    return numbers
