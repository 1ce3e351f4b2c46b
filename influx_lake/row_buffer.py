"""A buffer of record batches that is read in order, more than once; what exceeds memory is in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from influx_lake.temporary_files import TemporaryFile

IN_MEMORY_BYTES = 32 * 2**20
"""How many bytes are held in memory before they are written to disk."""


class RowBuffer:
    """A buffer of record batches with one schema.

    Args:
        schema: Their schema.
        in_memory_bytes: How many bytes are held before they are written to disk; None: `IN_MEMORY_BYTES`.
        compression: The codec of Arrow's IPC for the file; None: uncompressed.

    Attributes:
        size: The size of all batches in memory format, in bytes.
        waiting_bytes: How many of these bytes are held in memory.
    """

    def __init__(self, schema: pa.Schema, in_memory_bytes: int | None = None, compression: str | None = None) -> None:
        self.schema = schema
        self.size = 0
        self.waiting_bytes = 0
        self._in_memory_bytes = in_memory_bytes
        self._options = pa.ipc.IpcWriteOptions(compression=compression)
        self._waiting: list[pa.RecordBatch] = []
        self._file = TemporaryFile()
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Append a batch; writes to disk where more than `in_memory_bytes` are held.

        Raises:
            StorageError: The disk is full, or fails.
        """
        self.wait(batch)
        if self.waiting_bytes > (IN_MEMORY_BYTES if self._in_memory_bytes is None else self._in_memory_bytes):
            self.write_out()

    def wait(self, batch: pa.RecordBatch) -> None:
        """Append a batch without writing to disk."""
        self._waiting.append(batch)
        self.waiting_bytes += int(batch.nbytes)
        self.size += int(batch.nbytes)

    def write_out(self) -> None:
        """Write what is held in memory to disk.

        Raises:
            StorageError: The disk is full, or fails.
        """
        if self._waiting and self._writer is None:
            if self._file.size:
                raise RuntimeError("rows are written out after the buffer was read")
            self._writer = pa.ipc.new_stream(self._file, self.schema, options=self._options)
        for batch in self._waiting:
            assert self._writer is not None
            self._writer.write_batch(batch)
        self._waiting.clear()
        self.waiting_bytes = 0

    def read(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches in order; none can be written out afterwards.

        Raises:
            StorageError: The disk is full, or fails.
        """
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._file.size:
            yield from pa.ipc.open_stream(self._file.reader())
        yield from self._waiting

    def close(self) -> None:
        """Release memory and file."""
        self._waiting.clear()
        self.size = self.waiting_bytes = 0
        self._writer = None
        self._file.close()
