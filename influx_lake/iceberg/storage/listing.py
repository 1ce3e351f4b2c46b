"""Lists the files below a folder of a store, by either of pyiceberg's two FileIOs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from influx_lake.iceberg.storage.requests import each_of
from influx_lake.object_stores.listing import lists_no_folders

if TYPE_CHECKING:
    from pyiceberg.io import FileIO


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a store.

    Attributes:
        path: Its path, as pyiceberg expects it.
        size: Its size in bytes.
        modified: When it was last written; None where the store does not tell.
    """

    path: str
    size: int
    modified: datetime | None


def files_below(io: FileIO, folder: str) -> Iterator[StoredFile]:
    """Yield every file below a folder, level by level; none where the folder does not exist.

    Links to folders are not followed: their targets are not in the folder. Names with `#` or `?` in an object store are
    skipped: paths in Iceberg are URIs, which end there, so that no table references such a file, and deleting it would
    delete another one.

    Args:
        io: The FileIO.
        folder: The folder, as in a table's metadata.

    Raises:
        OSError: The store cannot be listed; its client may raise other exceptions.
    """
    root = folder.rstrip("/")
    entries = _entries_by_pyarrow(io, root) if hasattr(io, "fs_by_scheme") else _entries_by_fsspec(io, root)
    level = [""]
    while level:
        below: list[str] = []
        for found in each_of(entries, level):
            for entry in found:
                if isinstance(entry, StoredFile):
                    if _is_whole(entry.path):
                        yield entry
                else:
                    below.append(entry)
        level = below


def _is_whole(path: str) -> bool:
    """Whether a URI parser takes the whole path for the path of the file."""
    uri = urlparse(path)
    return not uri.scheme or not (uri.params or uri.query or uri.fragment)


Entries = Callable[[str], list[StoredFile | str]]
"""Lists a folder: its files, and its subfolders by their path relative to the root."""


def _entries_by_pyarrow(io: Any, root: str) -> Entries:
    from pyarrow.fs import FileSelector, FileType

    scheme, netloc, start = io.parse_location(root, io.properties)
    store = io.fs_by_scheme(scheme, netloc)
    start = start.rstrip("/")
    deep = lists_no_folders(store)

    def entries(way: str) -> list[StoredFile | str]:
        selector = FileSelector(start + way, allow_not_found=True, recursive=deep)
        found: list[StoredFile | str] = []
        for info in store.get_file_info(selector):
            below = info.path.removeprefix(start) if deep else f"{way}/{info.base_name}"
            if info.type is FileType.Directory:
                if not deep and (scheme != "file" or not os.path.islink(start + below)):
                    found.append(below)
            elif info.type is FileType.File:
                written = None if info.mtime_ns is None else datetime.fromtimestamp(info.mtime_ns / 1e9, UTC)
                found.append(StoredFile(root + below, info.size or 0, written))
        return found

    return entries


def _entries_by_fsspec(io: Any, root: str) -> Entries:
    def entries(way: str) -> list[StoredFile | str]:
        # Each thread has its own file system object.
        store = io._get_fs_from_uri(urlparse(root), root)
        start = store._strip_protocol(root).rstrip("/")
        store.invalidate_cache()
        try:
            listed = store.ls(start + way, detail=True)
        except FileNotFoundError:
            return []
        found: list[StoredFile | str] = []
        for entry in listed:
            below = f"{way}/{entry['name'].rstrip('/').rsplit('/', 1)[-1]}"
            if entry["name"].rstrip("/").strip("/") == (start + way).strip("/"):
                # Object stores list the marker of a folder as an entry in it.
                continue
            if entry["type"] == "directory":
                if not entry.get("islink"):
                    found.append(below)
            else:
                found.append(StoredFile(root + below, entry.get("size") or 0, _written(store, entry)))
        return found

    return entries


_TIMES = ("LastModified", "last_modified", "mtime", "updated")
"""The names of the modification time in s3fs, adlfs, the local file system and gcsfs."""


def _written(store: Any, entry: dict[str, Any]) -> datetime | None:
    said = next((entry[name] for name in _TIMES if entry.get(name) is not None), None)
    if isinstance(said, int | float):
        return datetime.fromtimestamp(said, UTC)
    if isinstance(said, str):
        said = datetime.fromisoformat(said)
    if said is None:
        said = store.modified(entry["name"])
    return said if said is None or said.tzinfo else said.replace(tzinfo=UTC)
