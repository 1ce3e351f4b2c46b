"""The files of tables for DuckDB, read as pyiceberg reads them: with the catalog's credentials, by its FileIO.

So every store, and every way to sign a request, that tables are loaded with is one that they are queried with, and no
secret is handed to another library. Files of this disk are read by DuckDB itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

_NAME_MAPPING = "schema.name-mapping.default"
_FOLDERS = ("write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class TableFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """The files of tables under one scheme, as a file system that DuckDB takes. It only reads.

    Args:
        scheme: The scheme, such as `s3`.
    """

    cachable = False

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self._stores: dict[str, FileIO] = {}
        self._sizes: dict[str, int] = {}

    def serve(self, folder: str, store: FileIO) -> None:
        """Read what is below a folder by this store."""
        self._stores[folder] = store

    def open(self, path: str, mode: str = "rb", **_: Any) -> StoredFile:
        """Open a file of a table."""
        if mode != "rb":
            raise PermissionError(f"{path} cannot be written: the lake is only read here")
        file = StoredFile(self._store(path), path)
        self._sizes[path] = file.size
        return file

    def size(self, path: str) -> int:
        """How many bytes a file has."""
        if path not in self._sizes:
            self._sizes[path] = len(self._store(path).new_input(path))
        return self._sizes[path]

    def modified(self, path: str) -> datetime:  # noqa: ARG002
        """The same for every file: those of tables are never written again."""
        return _LONG_AGO

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a file."""
        return bool(self._store(path).new_input(path).exists())

    def glob(self, path: str, **_: Any) -> list[str]:
        """The file itself: tables tell of their files, so that no folder is listed."""
        return [path]

    def _store(self, path: str) -> FileIO:
        folder = max((each for each in self._stores if path.startswith(each)), key=len, default=None)
        if folder is None:
            raise PermissionError(f"{path} is no file of a table of this lake")
        return self._stores[folder]


class StoredFile:
    """An open file. Threads may share it: each has a place of its own in it.

    Args:
        store: Where it is kept.
        path: Its location.

    Attributes:
        size: How many bytes it has.
    """

    def __init__(self, store: FileIO, path: str) -> None:
        source = store.new_input(path)
        self._stream: Any = source.open()
        self.size = int(self._stream.size()) if isinstance(self._stream, pa.NativeFile) else len(source)
        self._place = threading.local()
        self._one_at_a_time = threading.Lock()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, for this thread."""
        origin = (0, self.tell(), self.size)[whence]
        self._place.offset = origin + offset
        return self.tell()

    def tell(self) -> int:
        """The place of this thread."""
        return int(getattr(self._place, "offset", 0))

    def read(self, length: int = -1) -> bytes:
        """Read on from the place of this thread."""
        start = self.tell()
        left = max(0, self.size - start)
        length = left if length < 0 else min(length, left)
        # Google's storage refuses to be asked for nothing.
        found = self._read_at(start, length) if length else b""
        self._place.offset = start + len(found)
        return found

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def _read_at(self, start: int, length: int) -> bytes:
        if isinstance(self._stream, pa.NativeFile):
            return bytes(self._stream.read_at(length, start))
        with self._one_at_a_time:
            self._stream.seek(start)
            return bytes(self._stream.read(length))


def folders_of(table: Table) -> set[str]:
    """The folders that hold a table's files, each with a slash at its end."""
    found = {table.metadata.location, table.metadata_location.rpartition("/")[0]}
    found |= {folder for name in _FOLDERS if (folder := table.metadata.properties.get(name))}
    if _NAME_MAPPING in table.metadata.properties:
        # Files that others wrote were added as they lie, and that may be anywhere.
        found |= {task.file.file_path.rpartition("/")[0] for task in table.scan().plan_files()}
    return {f"{folder.rstrip('/')}/" for folder in found}


def serve(connection: duckdb.DuckDBPyConnection, table: Table) -> set[str]:
    """Have a connection read a table's files.

    Returns:
        The folders that hold them, as DuckDB names them.
    """
    folders = folders_of(table)
    for folder in folders:
        scheme = _scheme(folder)
        if scheme is None:
            continue
        files = _FILES.setdefault(scheme, TableFiles(scheme))
        files.serve(folder, table.io)
        if not connection.filesystem_is_registered(scheme):
            connection.register_filesystem(files)
    return {each for folder in folders for each in _names(folder)}


_FILES: dict[str, TableFiles] = {}


def _scheme(folder: str) -> str | None:
    """The scheme of what is not on this disk."""
    scheme, separator, _ = folder.partition("://")
    return scheme if separator and scheme != "file" else None


def _names(folder: str) -> Iterator[str]:
    yield folder
    if _scheme(folder) is None:
        yield folder.removeprefix("file://").removeprefix("file:")
