"""Rows of more partitions than may have open files: spilled to disk until the files of the others are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from influx_lake.iceberg.spill.memory_accounting import Size
from influx_lake.iceberg.writer.file_format import FileFormat
from influx_lake.iceberg.writer.partitioner import Partition
from influx_lake.temporary_files import TemporaryFile


@dataclass(slots=True)
class _Waiting:
    """The rows of a partition in order: earlier ones at offsets on disk, later ones in memory."""

    partition: Partition
    tables: list[pa.Table] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)


class FanoutSpill:
    """The rows of partitions that have no file yet.

    Args:
        form: The format of their files.
    """

    def __init__(self, form: FileFormat) -> None:
        self._form = form
        # Without dictionaries, which would have to be written with every chunk.
        self._plain = pa.schema([column.with_type(_plain(column.type)) for column in form.schema])
        self._file = TemporaryFile()
        self._partitions: dict[str, _Waiting] = {}
        self.waiting = Size()

    def __contains__(self, path: str) -> bool:
        return path in self._partitions

    def add(self, partition: Partition, rows: pa.Table) -> None:
        """Buffer rows of a partition."""
        self._partitions.setdefault(partition.path, _Waiting(partition)).tables.append(rows)
        self.waiting.add(len(rows), self._form.row_size.of(rows))

    def write(self) -> None:
        """Spill all rows, which frees their memory.

        Raises:
            StorageError: The disk is full, or fails.
        """
        for waiting in self._partitions.values():
            if waiting.tables:
                rows = pa.concat_tables(waiting.tables).cast(self._plain).combine_chunks()
                waiting.tables = []
                for batch in rows.to_batches():
                    waiting.places.append((self._file.append(memoryview(batch.serialize())), self._file.size))
        self.waiting = Size()

    def partitions(self) -> Iterator[tuple[Partition, Iterator[pa.Table]]]:
        """Yield each partition once, with its rows.

        Raises:
            StorageError: The disk fails.
        """
        while self._partitions:
            _, waiting = self._partitions.popitem()
            yield waiting.partition, self._rows(waiting)

    def close(self) -> None:
        """Delete what is on disk."""
        self._file.close()

    def _rows(self, waiting: _Waiting) -> Iterator[pa.Table]:
        for begin, end in waiting.places:
            message = pa.allocate_buffer(end - begin)
            self._file.read_into(memoryview(message), begin)
            yield self._form.conform(pa.Table.from_batches([pa.ipc.read_record_batch(message, self._plain)]))
        yield from waiting.tables


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
