"""Finds files: by a path, a folder or a pattern, on this disk, in an object store or on a web server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from isal.igzip import IGzipFile

from influx_lake.config.values.locations import AZURE
from influx_lake.errors import FileUnreadable, MissingExtra
from influx_lake.object_stores.listing import children
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.files.file_check import HEAD_BYTES, compression_of

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, FileSystem

_MAGIC = re.compile(r"[*?\[]")
_GLOB_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]")
_WEB = ("http", "https")
_NO_DATA = re.compile(r"(?:[_.].*|.*\.crc)")
"""Marker files of writers (`_SUCCESS`), checksums and hidden files."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in its present state.

    Attributes:
        uri: Its address, for people.
        path: Its path in the file system.
        size: Its size in bytes; -1 where it is not known.
        state: Changes with its content: modification time or ETag.
        system: The file system.
    """

    uri: str
    path: str
    size: int
    state: str
    system: FileSystem

    @property
    def identity(self) -> str:
        """A key of the file and its state, which changes with the content."""
        return f"{self.uri}\0{self.size}\0{self.state}"

    @property
    def is_seekable(self) -> bool:
        """Whether reading can begin anywhere in it: a web server may not support ranges."""
        return self.uri.partition("://")[0].lower() not in _WEB

    @contextmanager
    def open(self, offset: int = 0) -> Iterator[NativeFile | IGzipFile]:
        """A context with the bytes of the file, decompressed; the compression is detected by the first bytes.

        Args:
            offset: The byte to begin at, of a file that is not compressed.

        Raises:
            SourceError: It cannot be opened, or its compression is not supported.
        """
        with ExitStack() as stack:
            with file_errors(self.uri):
                file = self._opened(offset, stack)
            yield file

    def _opened(self, offset: int, stack: ExitStack) -> NativeFile | IGzipFile:
        if offset:
            file = stack.enter_context(self.system.open_input_file(self.path))
            file.seek(offset)
            return file
        with self.system.open_input_stream(self.path, compression=None) as stream:
            compression = compression_of(bytes(stream.read(HEAD_BYTES)), self.uri)
        if compression == "gzip":
            packed = stack.enter_context(self.system.open_input_stream(self.path, compression=None))
            # A third of the CPU that Arrow's zlib takes.
            return stack.enter_context(IGzipFile(fileobj=packed, mode="rb"))  # type: ignore[no-untyped-call]
        return stack.enter_context(self.system.open_input_stream(self.path, compression=compression))


@dataclass(frozen=True)
class FilePlace:
    """A place of files.

    Attributes:
        text: A path or URL. With `*`, `**`, `?` or `[...]` every file that matches; for a folder all files in it.
            Marker and hidden files (`_SUCCESS`, `.name`, `name.crc`) are skipped, unless they are named.
        properties: The properties of an object store, as in pyiceberg: `s3.endpoint`, `gcs.oauth2.token`, ...
    """

    text: str
    properties: Mapping[str, str]

    def files(self) -> list[StoredFile]:
        """The files, sorted by name.

        Raises:
            SourceError: There are none, or they cannot be listed.
        """
        with file_errors(self.text):
            found = self.matching(self.path) if _MAGIC.search(self.path) else self._named()
        if not found:
            raise FileUnreadable(f"{self.text} matches no file", remedy="Correct `path`")
        return found

    def matching(self, pattern: str) -> list[StoredFile]:
        """The files that match a pattern, sorted by name."""
        from pyarrow.fs import FileSelector, FileType

        if self._scheme in _WEB:
            raise FileUnreadable(f"{self.text}: a web server does not list its files", remedy="Name each file")
        fixed = _MAGIC.split(pattern, maxsplit=1)[0]
        base = fixed.rpartition("/")[0]
        deep = "/" in pattern[len(fixed) :] or "**" in pattern
        selector = FileSelector(base or "/", recursive=deep, allow_not_found=True)
        matches = _glob(pattern)
        # A pattern that names hidden files includes them.
        wanted = not _is_data(pattern[len(base) :])
        infos = (each for each in self._system.get_file_info(selector) if each.type == FileType.File)
        return [
            self._file(each)
            for each in sorted(infos, key=_path)
            if matches.fullmatch(each.path) and (wanted or _is_data(each.path[len(base) :]))
        ]

    def files_below(self, folder: str) -> list[StoredFile]:
        """The files of a folder and its subfolders; none where there is no such folder."""
        from pyarrow.fs import FileSelector, FileType

        with file_errors(self.text):
            infos = self._system.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
            return [self._file(each) for each in sorted(infos, key=_path) if each.type == FileType.File]

    def entries(self, folder: str) -> tuple[list[StoredFile], list[str]]:
        """The files and folders directly in a folder; none where there is no such folder."""
        from pyarrow.fs import FileType

        with file_errors(self.text):
            infos = sorted(children(self._system, folder), key=_path)
            files = [self._file(each) for each in infos if each.type == FileType.File]
        return files, [each.path for each in infos if each.type == FileType.Directory]

    def exists(self) -> bool:
        """Whether the path exists."""
        from pyarrow.fs import FileType

        with file_errors(self.text):
            found: bool = self._system.get_file_info(self.path).type != FileType.NotFound
        return found

    def _named(self) -> list[StoredFile]:
        from pyarrow.fs import FileSelector, FileType

        info = self._system.get_file_info(self.path)
        if info.type == FileType.Directory and self._scheme not in _WEB:
            infos = self._system.get_file_info(FileSelector(self.path, recursive=True))
            return [
                self._file(each)
                for each in sorted(infos, key=_path)
                if each.type == FileType.File and _is_data(each.path[len(self.path) :])
            ]
        if info.type == FileType.NotFound:
            raise FileUnreadable(f"{self.text} does not exist", remedy="Correct `path`")
        return [self._file(info)]

    def _file(self, info: FileInfo) -> StoredFile:
        size = -1 if info.size is None else info.size
        state = str(info.mtime_ns) if info.mtime_ns is not None else self._web_state(info.path)
        prefix = "" if self._scheme in ("file", *_WEB) else f"{self._scheme}://"
        return StoredFile(f"{prefix}{info.path}", info.path, size, state, self._system)

    def _web_state(self, path: str) -> str:
        if self._scheme not in _WEB:
            return ""
        from fsspec.implementations.http import HTTPFileSystem

        facts: dict[str, Any] = HTTPFileSystem().info(path)
        return str(facts.get("ETag") or facts.get("LastModified") or "")

    @property
    def _scheme(self) -> str:
        scheme, separator, _ = self.text.partition("://")
        return scheme.lower() if separator else "file"

    @cached_property
    def path(self) -> str:
        """The path in the file system."""
        return self.text if self._scheme in _WEB else path_in_store(self.text)

    @cached_property
    def _system(self) -> FileSystem:
        return _web() if self._scheme in _WEB else store_of(self.text, self.properties)


def stored_file(uri: str, path: str, size: int, state: str, properties: Mapping[str, str]) -> StoredFile:
    """A file that another process found.

    Args:
        uri: Its address, for people.
        path: Its path in the file system.
        size: Its size in bytes.
        state: Changes with its content.
        properties: The properties of an object store, as in pyiceberg.
    """
    system = _web() if uri.partition("://")[0].lower() in _WEB else store_of(uri, properties)
    return StoredFile(uri, path, size, state, system)


def store_of(location: str, properties: Mapping[str, str]) -> FileSystem:
    """The file system of a path or address.

    Args:
        location: `/data`, `s3://bucket/path`, `gs://...`, `abfss://...`.
        properties: The properties of an object store, as in pyiceberg.
    """
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme, separator, rest = location.partition("://")
    if not separator or scheme.lower() == "file":
        return PyArrowFileIO({}).fs_by_scheme("file", None)
    if scheme.lower() in AZURE:
        return _azure(location, properties)
    return PyArrowFileIO(dict(properties)).fs_by_scheme(scheme.lower(), rest.partition("/")[0])


def path_in_store(location: str) -> str:
    """The path of an address in its file system."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme, separator, _ = location.partition("://")
    if not separator or scheme.lower() == "file":
        return str(PurePosixPath(location.removeprefix("file://")))
    if scheme.lower() in AZURE:
        from influx_lake.object_stores.azure import azure_path

        return azure_path(location)
    return PyArrowFileIO.parse_location(location)[2]


def _azure(location: str, properties: Mapping[str, str]) -> FileSystem:
    """Azure's store by adlfs, as for tables: Arrow's own client supports fewer properties, and no account in an
    address.
    """
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    from influx_lake.object_stores.azure import azure_store

    return PyFileSystem(FSSpecHandler(azure_store(properties, location)))


def _web() -> FileSystem:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        from fsspec.implementations.http import HTTPFileSystem
    except ImportError as error:
        raise MissingExtra("reading files from a web server", "files") from error
    return PyFileSystem(FSSpecHandler(HTTPFileSystem()))


def _is_data(path: str) -> bool:
    """Whether a file is data, by its path below the requested one."""
    return not any(_NO_DATA.fullmatch(each) for each in path.split("/"))


def _path(info: FileInfo) -> str:
    return str(info.path)


def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern in which `*` stays within a folder and `**` does not; fsspec refuses `**` inside a name, as in
    `**.lp`.
    """
    parts, at = [], 0
    for found in _GLOB_PARTS.finditer(pattern):
        parts += [re.escape(pattern[at : found.start()]), _translated(found[0])]
        at = found.end()
    return re.compile("".join([*parts, re.escape(pattern[at:])]))


def _translated(part: str) -> str:
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return words.get(part) or "[" + part[1:-1].replace("!", "^", 1).replace("\\", "\\\\") + "]"
