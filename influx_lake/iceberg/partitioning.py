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
        """Yield each partition of the rows once, with its key (None: the table is not partitioned)."""
        if self._spec.is_unpartitioned():
            yield None, rows
            return
        constant = [self._constant(field, rows) for field in self._spec.fields]
        if all(found is not None for found in constant):
            yield self._key([found.as_py() for found in constant if found is not None]), rows
            return
        names = [str(index) for index in range(len(self._spec.fields))]
        values = pa.Table.from_arrays([self._transformed(field, rows) for field in self._spec.fields], names=names)
        numbered = values.append_column("row", pa.array(range(len(rows)), pa.int64()))
        for group in numbered.group_by(names).aggregate([("row", "list")]).to_batches():
            for index in range(len(group)):
                key = self._key([group.column(name)[index].as_py() for name in names])
                yield key, rows.take(group.column("row_list")[index].values)

    def _constant(self, field: PartitionField, rows: pa.Table) -> pa.Scalar | None:
        """The one value a monotonic transform has for all rows: true of most chunks, and cheap to see."""
        from pyiceberg.transforms import TimeTransform

        if not isinstance(field.transform, TimeTransform):
            return None
        source = rows.column(self._position[field.source_id])
        if source.null_count:
            return None
        extremes = pc.min_max(source)
        ends = self._apply(field, pa.array([extremes["min"], extremes["max"]], source.type))
        return ends[0] if ends[0] == ends[1] else None

    def _transformed(self, field: PartitionField, rows: pa.Table) -> pa.ChunkedArray:
        source = rows.column(self._position[field.source_id])
        return pa.chunked_array([self._apply(field, chunk) for chunk in source.chunks])

    def _apply(self, field: PartitionField, values: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        return field.transform.pyarrow_transform(self._schema.find_field(field.source_id).field_type)(values)

    def _key(self, values: list[Any]) -> PartitionKey:
        from pyiceberg.partitioning import PartitionFieldValue, PartitionKey

        pairs = zip(self._spec.fields, values, strict=True)
        return PartitionKey([PartitionFieldValue(field, value) for field, value in pairs], self._spec, self._schema)
