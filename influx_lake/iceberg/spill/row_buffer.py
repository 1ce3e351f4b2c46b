"""Record batches spilled to disk in order, to be read more than once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from influx_lake.temporary_files import temporary_errors

IN_MEMORY_BYTES = 32 * 2**20
"""How much waits before it is written out."""


class RowsAside:
    """Rows of one schema.

    Args:
        schema: Their schema.
        folder: Where those that do not fit in memory go.

    Attributes:
        size: How many bytes they take up in memory.
        waiting_bytes: How many of these are in memory.
    """

    def __init__(self, schema: pa.Schema, folder: Path) -> None:
        self.schema = schema
        self.size = 0
        self._folder = folder
        self._waiting: list[pa.RecordBatch] = []
        self.waiting_bytes = 0
        self._path: Path | None = None
        self._open: tuple[pa.OSFile, pa.ipc.RecordBatchStreamWriter] | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the rows of a batch, on disk when many wait."""
        self.wait(batch)
        if self.waiting_bytes > IN_MEMORY_BYTES:
            self.write_out()

    def wait(self, batch: pa.RecordBatch) -> int:
        """Keep the rows of a batch in memory for now, and say how many bytes they are."""
        size = int(batch.nbytes)
        self._waiting.append(batch)
        self.waiting_bytes += size
        self.size += size
        return size

    def write_out(self) -> None:
        """Write what waits to disk.

        Raises:
            StorageError: The disk is full, or fails.
        """
        if not self._waiting:
            return
        with temporary_errors(self.size - self.waiting_bytes):
            if self._open is None:
                self._open = self._opened()
            for batch in self._waiting:
                self._open[1].write_batch(batch)
        self._waiting.clear()
        self.waiting_bytes = 0

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows; nothing can be added afterwards."""
        self._finish()
        if self._path is not None:
            # Read, not mapped: what is mapped counts as this process's memory for as long as the file is open.
            with temporary_errors(self.size), pa.OSFile(str(self._path)) as file:
                yield from pa.ipc.open_stream(file)
        yield from self._waiting

    def close(self) -> None:
        """Let the rows go, and delete what is on disk."""
        self._finish()
        self._waiting.clear()
        self.size = self.waiting_bytes = 0
        if self._path is not None:
            self._path.unlink()
            self._path = None

    def _opened(self) -> tuple[pa.OSFile, pa.ipc.RecordBatchStreamWriter]:
        if self._path is not None:
            raise RuntimeError("rows are added to others that were read")
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".arrows", delete=False) as named:
            self._path = Path(named.name)
        file = pa.OSFile(named.name, "wb")
        return file, pa.ipc.new_stream(file, self.schema)

    def _finish(self) -> None:
        if self._open is not None:
            file, writer = self._open
            self._open = None
            with temporary_errors(self.size), file:
                writer.close()
