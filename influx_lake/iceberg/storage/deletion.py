"""Deleting files of a table for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

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
