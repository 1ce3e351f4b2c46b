"""Temporary files for rows, unlinked while they are open, in the system's temporary folder."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from influx_lake.errors import StorageError


class TemporaryFile(io.RawIOBase):
    """An unnamed file, which is deleted when it is closed or the process is killed.

    It is created with the first write, appended to, and read at any offset.

    Attributes:
        size: Its size in bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self._file: IO[bytes] | None = None

    def append(self, content: memoryview) -> int:
        """Append bytes; returns their offset.

        Raises:
            StorageError: The disk is full, or fails.
        """
        begin, left = self.size, content.cast("B") if content.nbytes else content
        with temporary_errors(self.size):
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="influx-lake-", buffering=0)  # noqa: SIM115
            while left.nbytes:
                left = left[self._file.write(left) :]
        self.size += content.nbytes
        return begin

    def read_into(self, content: memoryview, begin: int) -> None:
        """Fill a buffer from an offset on.

        Raises:
            StorageError: The disk fails.
        """
        with temporary_errors(self.size):
            read = os.preadv(self._file.fileno(), [content], begin) if self._file is not None else 0
        if read != content.nbytes:
            raise StorageError(f"a temporary file in {_folder()} ends too early", remedy="Check that disk")

    def reader(self) -> io.RawIOBase:
        """A file object over a range of bytes, for one of several readers."""
        return _Reader(self)

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        """`append`, for writers that expect a file object."""
        view = memoryview(content)  # type: ignore[arg-type]
        self.append(view)
        return view.nbytes

    def close(self) -> None:
        """Close the file, which deletes it."""
        if self._file is not None:
            self._file.close()
        super().close()


class _Reader(io.RawIOBase):
    def __init__(self, file: TemporaryFile) -> None:
        super().__init__()
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self._file.size - self._place
        content = bytearray(left if size < 0 else min(size, left))
        self._file.read_into(memoryview(content), self._place)
        self._place += len(content)
        return content  # type: ignore[return-value]


@contextmanager
def temporary_errors(waited: int = 0) -> Iterator[None]:
    """A context that turns errors of temporary files into the project's, which name their folder.

    Args:
        waited: The number of bytes that are in temporary files already.

    Raises:
        StorageError: The disk is full, or fails, or the folder cannot be used.
    """
    try:
        yield
    except OSError as error:
        after = f", after {waited / 1e6:,.0f} MB" if waited else ""
        raise StorageError(
            f"rows could not be buffered in temporary files, in {_folder()}{after}: {_reason(error)}",
            remedy="Free space there, or name another folder in TMPDIR; the table is unchanged",
        ) from error


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        # There is no writable temporary folder, neither TMPDIR nor a default one.
        return os.environ.get("TMPDIR", "the system's folder for temporary files")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
