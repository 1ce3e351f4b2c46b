"""Measures the memory of Arrow data."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(slots=True)
class Size:
    """Rows and bytes that were collected."""

    rows: int = 0
    bytes: int = 0

    def add(self, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size

    def reaches(self, rows: int, size: int) -> bool:
        return self.rows >= rows or self.bytes >= size


class RowSize:
    """The memory of rows of a schema, without their dictionaries, which many slices share.

    It is computed for every part of every batch: from the number of rows, except for strings.
    """

    def __init__(self, schema: pa.Schema) -> None:
        bits = {number: _bits(kind) for number, kind in enumerate(schema.types)}
        self._fixed = sum(found or 0 for found in bits.values())
        self._varying = [number for number, found in bits.items() if found is None]

    def of(self, rows: pa.RecordBatch | pa.Table) -> int:
        varying = sum(int(rows.column(number).nbytes) for number in self._varying)
        return len(rows) * self._fixed // 8 + varying


def _bits(kind: pa.DataType) -> int | None:
    if pa.types.is_dictionary(kind):
        return int(kind.index_type.bit_width)
    try:
        return int(kind.bit_width)
    except ValueError:
        return None
