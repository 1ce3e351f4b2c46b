"""Files that hold rows for a while, in the system's folder for temporary files: what is said when they fail."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from influx_lake.errors import StorageError


@contextmanager
def temporary_errors(waited: int = 0) -> Iterator[None]:
    """Turn the errors of temporary files into the project's, which name their folder.

    Args:
        waited: How many bytes are in them already.

    Raises:
        StorageError: The disk is full, or fails, or the folder cannot be used.
    """
    try:
        yield
    except OSError as error:
        after = f", after {waited / 1e6:,.0f} MB" if waited else ""
        raise StorageError(
            f"rows on their way to files could not wait on disk, in {_folder()}{after}: {_reason(error)}",
            remedy="Free space there, or name another folder in TMPDIR; the table is unchanged",
        ) from error


def temporary_directory(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A folder for temporary files, to be cleaned up or used as a context.

    Raises:
        StorageError: It cannot be made.
    """
    with temporary_errors():
        return tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        # Python has none that it can write to: neither TMPDIR's nor one of its own.
        return os.environ.get("TMPDIR", "the system's folder for temporary files")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
