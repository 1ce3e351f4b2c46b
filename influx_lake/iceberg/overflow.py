"""Rows of more partitions than may have a file open: they wait on disk until the files of the others are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.file_format import FileFormat
from influx_lake.iceberg.size import Size
from influx_lake.iceberg.spill import Spill

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionKey


@dataclass(slots=True)
class _Waiting:
    """The rows of a partition, some in memory and the earlier ones at places on disk, in the order they came."""

    key: PartitionKey | None
    tables: list[pa.Table] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)


class Overflow:
    """The rows of partitions that have no file yet.

    Args:
        form: How their files will look.
    """

    def __init__(self, form: FileFormat) -> None:
        self._form = form
        # Without dictionaries: each would have to be written with every chunk.
        self._plain = pa.schema([column.with_type(_plain(column.type)) for column in form.schema])
        self._spill: Spill | None = None
        self._partitions: dict[str, _Waiting] = {}
        self.waiting = Size()

    def __contains__(self, path: str) -> bool:
        return path in self._partitions

    def add(self, path: str, key: PartitionKey | None, rows: pa.Table) -> None:
        """Keep rows of the partition at a path."""
        self._partitions.setdefault(path, _Waiting(key)).tables.append(rows)
        self.waiting.add(rows)

    def write(self) -> None:
        """Free the memory of all rows.

        Raises:
            StorageError: The disk is full, or fails.
        """
        if self._spill is None:
            self._spill = Spill()
        for partition in self._partitions.values():
            if partition.tables:
                rows = pa.concat_tables(partition.tables).cast(self._plain).combine_chunks()
                partition.tables = []
                for batch in rows.to_batches():
                    partition.places.append((self._spill.append(batch), self._spill.size))
        self.waiting = Size()

    def partitions(self) -> Iterator[tuple[PartitionKey | None, Iterator[pa.Table]]]:
        """Each partition once, with its rows.

        Raises:
            StorageError: The disk fails.
        """
        while self._partitions:
            _, partition = self._partitions.popitem()
            yield partition.key, self._rows(partition)

    def close(self) -> None:
        """Remove what waits on disk."""
        if self._spill is not None:
            self._spill.close()

    def _rows(self, partition: _Waiting) -> Iterator[pa.Table]:
        for begin, end in partition.places:
            assert self._spill is not None
            yield self._form.conform(pa.Table.from_batches([self._spill.read(begin, end, self._plain)]))
        yield from partition.tables


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
