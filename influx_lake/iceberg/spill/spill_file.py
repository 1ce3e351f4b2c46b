"""An unlinked temporary file of record batches: it goes when it is closed, also with a process that is killed."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa

from influx_lake.errors import StorageError
from influx_lake.temporary_files import temporary_errors


@dataclass(slots=True)
class Spill:
    """A temporary file of record batches, or of bytes.

    Attributes:
        size: How many bytes it holds.
    """

    size: int = 0
    _file: IO[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with temporary_errors():
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def append(self, rows: pa.RecordBatch) -> int:
        """Write rows and return where they begin.

        Raises:
            StorageError: The disk is full, or fails.
        """
        return self.write(memoryview(rows.serialize()))

    def write(self, content: memoryview) -> int:
        """Write bytes and return where they begin.

        Raises:
            StorageError: The disk is full, or fails.
        """
        begin, left = self.size, content
        with temporary_errors(self.size):
            while left.nbytes:
                left = left[self._file.write(left) :]
        self.size += content.nbytes
        return begin

    def read(self, begin: int, end: int, schema: pa.Schema) -> pa.RecordBatch:
        """The rows of a schema that were written between two places.

        Raises:
            StorageError: The disk fails.
        """
        message = pa.allocate_buffer(end - begin)
        self.read_into(memoryview(message), begin)
        return pa.ipc.read_record_batch(message, schema)

    def read_into(self, content: memoryview, begin: int) -> None:
        """Fill a buffer with the bytes from some place on.

        Raises:
            StorageError: The disk fails.
        """
        with temporary_errors(self.size):
            read = os.preadv(self._file.fileno(), [content], begin)
        if read != content.nbytes:
            raise StorageError(f"a temporary file in {tempfile.gettempdir()} ends too early", remedy="Check that disk")

    def close(self) -> None:
        self._file.close()
