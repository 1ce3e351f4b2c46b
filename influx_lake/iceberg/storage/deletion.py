"""Deleting files of a table for good."""

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
"""How many paths are told of the files that went."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted.

    Attributes:
        files: Files that were there, and are not any more.
        bytes: Their sizes together, as far as they were known.

        examples: The first of them.
    """

    files: int = 0
    bytes: int = 0
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Mapping[str, int]) -> Deleted:
        """What deleting some files comes to, by path with their sizes."""
        return cls(len(files), sum(files.values()), tuple(islice(files, MOST_EXAMPLES)))


def delete_folder(io: Any, folder: str) -> None:
    """Delete a folder with all that is in it, and the one around it where it is an empty one of this disk.

    Args:
        io: The store.
        folder: Where; nobody else has files in it. One that is not there is passed over.

    Raises:
        OSError: The store refuses; or what its client raises instead.
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
    """Delete files; one that is gone already is passed over.

    Args:
        io: The store.
        files: Their sizes, by path; 0 where that is not known.
        table: `namespace.table`, for messages.

    Raises:
        StorageError: Some could not be deleted; all others are.
    """

    def delete(path: str) -> Exception | bool:
        try:
            io.delete(path)
        except FileNotFoundError:
            return False
        # What stores raise has no common class; whatever it is, the other files are deleted before it is told.
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
