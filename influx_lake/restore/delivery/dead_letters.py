"""Writes the dead letters of a restore: points that the target did not take, as line protocol with the reason in a
comment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from influx_lake.errors import StorageError
from influx_lake.printable import printable_name
from influx_lake.private_folders import make_private_file
from influx_lake.restore.delivery.batch import Refused


def write_dead_letters(path: Path, refused: Iterable[Refused]) -> int:
    """Write the file atomically.

    Returns:
        How many points it holds; with none there is no file.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        return _written(path, refused)
    except OSError as error:
        raise StorageError(
            f"the points that were not taken could not be written to {path}: {error}",
            remedy="Name another file (--dead-letters), and restore again: only this is left to do",
        ) from None


def _written(path: Path, refused: Iterable[Refused]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    part, count = path.with_name(path.name + ".part"), 0
    make_private_file(part)
    with part.open("w", encoding="utf-8", newline="") as file:
        for each in refused:
            file.write(f"# {printable_name(each.reason)}\n{each.line}\n")
            count += 1
    if count:
        part.replace(path)
    else:
        os.unlink(part)
        path.unlink(missing_ok=True)
    return count
