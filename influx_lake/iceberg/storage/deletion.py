"""Deletes files of a table."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse, urlsplit

from influx_lake.errors import StorageError
from influx_lake.iceberg.failures.translation import safe_cause, translate
from influx_lake.iceberg.storage.requests import each_of

if TYPE_CHECKING:
    from pyiceberg.io import FileIO


MOST_EXAMPLES = 100
"""The largest number of deleted paths that are reported."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The result of deleting files.

    Attributes:
        files: The number of files that existed, and are deleted.
        bytes: Their total size, as far as known.

        examples: The first of them.
    """

    files: int = 0
    bytes: int = 0
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Mapping[str, int]) -> Deleted:
        """The result of deleting all of some files, given as sizes by path."""
        return cls(len(files), sum(files.values()), tuple(islice(files, MOST_EXAMPLES)))


def delete_folder(io: Any, folder: str) -> None:
    """Delete a folder with all that is in it, and its parent if that is an empty folder of this disk.

    Args:
        io: The FileIO.
        folder: The folder, in which no other table has files; it may be missing.

    Raises:
        OSError: The store refuses; its client may raise other exceptions.
    """
    parts = urlsplit(folder)
    with suppress(FileNotFoundError):
        if hasattr(io, "fs_by_scheme"):
            scheme, netloc, path = io.parse_location(folder, io.properties)
            io.fs_by_scheme(scheme, netloc).delete_dir(path)
        else:
            store = io._get_fs_from_uri(urlparse(folder), folder)
            store.rm(store._strip_protocol(folder), recursive=True)
    if parts.scheme in ("", "file"):
        around = Path(unquote(parts.path) if parts.scheme else folder).parent
        if around.is_dir() and not any(around.iterdir()):
            around.rmdir()


def delete_for_good(io: FileIO, files: Mapping[str, int], table: str) -> Deleted:
    """Delete files; missing ones are ignored.

    Args:
        io: The FileIO.
        files: Their sizes by path; 0 where unknown.
        table: `namespace.table`, for messages.

    Raises:
        StorageError: Some could not be deleted; all others are deleted.
    """

    def delete(path: str) -> Exception | bool:
        try:
            io.delete(path)
        except FileNotFoundError:
            return False
        # Exceptions of stores have no common class; after any of them, the other files are deleted before it is raised.
        except Exception as error:
            return error
        return True

    done = list(zip(files, each_of(delete, files), strict=True))
    failed = [(path, answer) for path, answer in done if isinstance(answer, Exception)]
    deleted = [path for path, answer in done if answer is True]
    if failed:
        path, error = failed[0]
        cause = translate(error, f"delete {path}")
        raise StorageError(
            f"{len(failed)} of {len(files)} files of {table} that are not needed any more are still there: "
            f"{cause.message}",
            remedy=cause.remedy or "Run remove_orphans when the store deletes files again: it finds them",
        ) from safe_cause(error)
    return Deleted.of({path: files[path] for path in deleted})
