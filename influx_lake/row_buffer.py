"""Record batches kept in order, to be read more than once: few in memory, more in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from influx_lake.temporary_files import TemporaryFile

IN_MEMORY_BYTES = 32 * 2**20
"""How much waits before it is written out."""


class RowBuffer:
    """Rows of one schema.

    Args:
        schema: Their schema.
        in_memory_bytes: How much waits before it is written out; None: `IN_MEMORY_BYTES`.
        compression: How they are compressed on disk: by a codec of Arrow's IPC, if at all.

    Attributes:
        size: How many bytes they take up in memory.
        waiting_bytes: How many of these are in memory.
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
        """Keep the rows of a batch, on disk when many wait.

        Raises:
            StorageError: The disk is full, or fails.
        """
        self.wait(batch)
        if self.waiting_bytes > (IN_MEMORY_BYTES if self._in_memory_bytes is None else self._in_memory_bytes):
            self.write_out()

    def wait(self, batch: pa.RecordBatch) -> None:
        """Keep the rows of a batch in memory for now."""
        self._waiting.append(batch)
        self.waiting_bytes += int(batch.nbytes)
        self.size += int(batch.nbytes)

    def write_out(self) -> None:
        """Write what waits to disk.

        Raises:
            StorageError: The disk is full, or fails.
        """
        if self._waiting and self._writer is None:
            if self._file.size:
                raise RuntimeError("rows are added to others that were read")
            self._writer = pa.ipc.new_stream(self._file, self.schema, options=self._options)
        for batch in self._waiting:
            assert self._writer is not None
            self._writer.write_batch(batch)
        self._waiting.clear()
        self.waiting_bytes = 0

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows; none can be written out afterwards.

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
        """Let the rows go, in memory and on disk."""
        self._waiting.clear()
        self.size = self.waiting_bytes = 0
        self._writer = None
        self._file.close()
