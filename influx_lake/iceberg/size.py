"""How much memory rows take up."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(slots=True)
class Size:
    """How much has been collected."""

    rows: int = 0
    bytes: int = 0

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        self.rows += len(rows)
        self.bytes += own_bytes(rows)

    def reaches(self, rows: int, size: int) -> bool:
        return self.rows >= rows or self.bytes >= size


def own_bytes(rows: pa.RecordBatch | pa.Table) -> int:
    """The memory of rows without their dictionaries, which many slices share."""
    return sum(_own_column_bytes(column) for column in rows.columns)


def _own_column_bytes(column: pa.Array | pa.ChunkedArray) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return sum(int(chunk.indices.nbytes) for chunk in chunks)
