"""An fsspec file system by which DuckDB reads the files of tables through pyiceberg's FileIO, with the catalog's
credentials.

So queries reach every store that loads reach, with the same request signing, and no secret is passed to another
library. DuckDB reads local files itself.

Each store has a URL scheme of its own, `influx-lake-1://s3://...`: DuckDB still reads other files under `s3://` itself,
and two stores may have tables of the same location. DuckDB follows a table's paths into that scheme by its option
`allow_moved_paths`, for tables in Iceberg's usual layout: `<location>/metadata/` and `<location>/data/`. For a table
with other files, which that option cannot handle, the store's scheme itself is served on the connection.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import fsspec
import pyarrow as pa

from influx_lake.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

_NAME_MAPPING = "schema.name-mapping.default"
_FOLDERS = ("write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class TableFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A read-only fsspec file system over the files of tables.

    Args:
        taken: The foreign scheme.

    Attributes:
        scheme: Its own scheme.
        taken: The other.
    """

    cachable = False

    def __init__(self, taken: str | None = None) -> None:
        super().__init__()
        self.scheme = f"influx-lake-{next(_NUMBERS)}"
        self.taken = taken
        # DuckDB uses the first protocol as the name.
        self.protocol = [self.scheme, taken] if taken else self.scheme
        self._stores: dict[str, FileIO] = {}
        self._sizes: dict[str, int] = {}

    def serve(self, folder: str, store: FileIO) -> None:
        """Read the files below a folder with a given store.

        Raises:
            ConfigurationError: A folder of this name on another endpoint is served already.
        """
        if _endpoints(self._stores.get(folder, store)) != _endpoints(store):
            raise ConfigurationError(
                f"{folder} of another endpoint is read on this DuckDB connection",
                remedy="Give each lake a connection of its own: its tables do not have Iceberg's usual layout",
            )
        self._stores[folder] = store

    def open(self, path: str, mode: str = "rb", **_: Any) -> StoredFile:
        """Open a file of a table."""
        if mode != "rb":
            raise PermissionError(f"{path} cannot be written: the lake is only read here")
        file = StoredFile(*self._stored(path))
        self._sizes[path] = file.size
        return file

    def size(self, path: str) -> int:
        """The size of a file in bytes."""
        if path not in self._sizes:
            store, location = self._stored(path)
            self._sizes[path] = len(store.new_input(location))
        return self._sizes[path]

    def modified(self, path: str) -> datetime:  # noqa: ARG002
        """A constant: files of tables never change."""
        return _LONG_AGO

    def exists(self, path: str, **_: Any) -> bool:
        """Whether a file exists."""
        store, location = self._stored(path)
        return bool(store.new_input(location).exists())

    def glob(self, path: str, **_: Any) -> list[str]:
        """The path itself: tables list their files, so no folder needs listing."""
        return [path]

    def _stored(self, path: str) -> tuple[FileIO, str]:
        """The store and location of a file."""
        location = path.removeprefix(f"{self.scheme}://")
        if location != path:
            # DuckDB appends a file's path, from `metadata/` or `data/` on, to the folder of the metadata file.
            root, metadata, rest = location.partition("/metadata/")
            _, is_appended, below = rest.partition("/")
            location = f"{root}/{below}" if is_appended else f"{root}{metadata}{rest}"
        folder = max((each for each in self._stores if location.startswith(each)), key=len, default=None)
        if folder is None:
            raise PermissionError(f"{path} is no file of a table of this lake")
        return self._stores[folder], location


@dataclass(frozen=True)
class Served:
    """The location of a table's files, as a connection reads them.

    Attributes:
        metadata: The path of the table's metadata file.
        folders: The folders that hold the files, as DuckDB names them.
        is_moved: Whether DuckDB has to rewrite the table's paths to another scheme.
    """

    metadata: str
    folders: frozenset[str]
    is_moved: bool = False


class StoredFile:
    """An open file. Threads may share it: each has its own position.

    Args:
        store: The FileIO.
        path: Its location.

    Attributes:
        size: Its size in bytes.
    """

    def __init__(self, store: FileIO, path: str) -> None:
        source = store.new_input(path)
        self._stream: Any = source.open()
        self.size = int(self._stream.size()) if isinstance(self._stream, pa.NativeFile) else len(source)
        self._place = threading.local()
        self._one_at_a_time = threading.Lock()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position of this thread."""
        origin = (0, self.tell(), self.size)[whence]
        self._place.offset = origin + offset
        return self.tell()

    def tell(self) -> int:
        """The position of this thread."""
        return int(getattr(self._place, "offset", 0))

    def read(self, length: int = -1) -> bytes:
        """Read from the position of this thread."""
        start = self.tell()
        left = max(0, self.size - start)
        length = left if length < 0 else min(length, left)
        # Google's storage rejects empty ranges.
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
        # Files added by other tools may be in any folder.
        found |= {task.file.file_path.rpartition("/")[0] for task in table.scan().plan_files()}
    return {f"{folder.rstrip('/')}/" for folder in found}


def serve(connection: duckdb.DuckDBPyConnection, table: Table) -> Served:
    """Make a table's files readable by a connection.

    Raises:
        ConfigurationError: The connection reads files of the same names on another endpoint.
    """
    metadata, folders = table.metadata_location, folders_of(table)
    schemes = {scheme for folder in folders if (scheme := _scheme(folder)) is not None}
    if schemes and _is_usual(table, folders):
        files = _of_store(table.io)
        folder = f"{table.metadata.location.rstrip('/')}/"
        files.serve(folder, table.io)
        _register(connection, files)
        own = f"{files.scheme}://"
        return Served(own + metadata, frozenset({own + folder}), is_moved=True)
    for scheme in schemes:
        files = _serving_scheme(connection, scheme)
        for folder in folders:
            if _scheme(folder) == scheme:
                files.serve(folder, table.io)
        _register(connection, files)
    return Served(metadata, frozenset(each for folder in folders for each in _names(folder)))


_NUMBERS = itertools.count(1)
# Weak references: a connection owns its file systems.
_OF_STORES: MutableMapping[object, TableFiles] = WeakValueDictionary()
_TAKING: MutableMapping[str, TableFiles] = WeakValueDictionary()


def _is_usual(table: Table, folders: set[str]) -> bool:
    """Whether all files are in Iceberg's standard layout, which `allow_moved_paths` requires."""
    location = table.metadata.location.rstrip("/")
    return (
        table.metadata_location.rpartition("/")[0] == f"{location}/metadata"
        and folders <= {f"{location}/{below}" for below in ("", "metadata/", "data/")}
        and "/metadata/" not in f"{location}/"
        and not any("location-provider" in name for name in table.metadata.properties)
    )


def _of_store(store: FileIO) -> TableFiles:
    """The file system of a store, one for each configuration."""
    how = type(store), tuple(sorted((name, str(value)) for name, value in store.properties.items()))
    return _OF_STORES.setdefault(how, TableFiles())


def _serving_scheme(connection: duckdb.DuckDBPyConnection, scheme: str) -> TableFiles:
    """The file system that serves a foreign scheme on a connection."""
    for files in list(_TAKING.values()):
        if files.taken == scheme and connection.filesystem_is_registered(files.scheme):
            return files
    files = TableFiles(scheme)
    _TAKING[files.scheme] = files
    return files


def _register(connection: duckdb.DuckDBPyConnection, files: TableFiles) -> None:
    if not connection.filesystem_is_registered(files.scheme):
        connection.register_filesystem(files)


def _endpoints(store: FileIO) -> dict[str, str]:
    return {name: value for name, value in store.properties.items() if name.endswith(("endpoint", "host"))}


def _scheme(folder: str) -> str | None:
    """The scheme of a location that is not on the local disk."""
    scheme, separator, _ = folder.partition("://")
    return scheme if separator and scheme != "file" else None


def _names(folder: str) -> Iterator[str]:
    yield folder
    if _scheme(folder) is None:
        yield folder.removeprefix("file://").removeprefix("file:")
