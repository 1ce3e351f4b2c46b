"""Rows that wait on disk, in a file without a name: it goes when it is closed, and with a process that is killed."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa

from influx_lake.errors import StorageError


@dataclass(slots=True)
class Spill:
    """A temporary file of record batches, or of bytes.

    Attributes:
        size: How many bytes it holds.
    """

    size: int = 0
    _file: IO[bytes] = field(init=False)

    def __post_init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._failure(error) from error

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
        try:
            while left.nbytes:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._failure(error) from error
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
        try:
            read = os.preadv(self._file.fileno(), [content], begin)
        except OSError as error:
            raise self._failure(error) from error
        if read != content.nbytes:
            raise StorageError(f"a temporary file in {tempfile.gettempdir()} ends too early", remedy="Check that disk")

    def close(self) -> None:
        self._file.close()

    def _failure(self, error: OSError) -> StorageError:
        return StorageError(
            f"rows on their way to files could not wait on disk, in {tempfile.gettempdir()}, after "
            f"{self.size / 1e6:,.0f} MB: {error.strerror}",
            remedy="Free space there, or name another folder in TMPDIR; the table is unchanged",
        )
