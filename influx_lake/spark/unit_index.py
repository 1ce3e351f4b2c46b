"""What is known of files that executors took apart: all but the values, kept on the driver's disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from influx_lake.private_folders import make_private, make_private_file, replace_private_file
from influx_lake.sources.points.staged_file import FACTS, FORMAT, INDEX, Unit
from influx_lake.sources.points.staging import storage_errors

_FOLDER, _BAD = "spark", "bad_lines"


class IndexedUnit(Unit):
    """A unit whose values are elsewhere."""

    @property
    def has_values(self) -> bool:
        """They are not here."""
        return False

    def chunk(self, number: int) -> pa.RecordBatch:
        """Not here."""
        raise TypeError(f"chunk {number} of {self.facts['file']} was not kept")


@dataclass(frozen=True, slots=True)
class UnitIndex:
    """What is known of a file's points.

    Attributes:
        files: The contents of the unit's files but for its values, by their names.
        bad_lines: The lines that could not be read, as they are kept for people.
    """

    files: Mapping[str, bytes]
    bad_lines: bytes

    @classmethod
    def of(cls, unit: Unit) -> UnitIndex:
        """That of a unit, with what was noted of it since it was written."""
        files = {name: (unit.folder / name).read_bytes() for name in INDEX}
        return cls({**files, FACTS: json.dumps(unit.facts).encode()}, bad_lines_in(unit.bad_file))


def bad_lines_in(bad_file: Path) -> bytes:
    """The lines that were kept aside; nothing where there were none."""
    return bad_file.read_bytes() if bad_file.is_file() else b""


@dataclass(slots=True)
class UnitIndexes:
    """The folder of such indexes, in the staging folder of their source.

    Attributes:
        staging: The staging folder.
        keep: How long one stays that nobody asks for.
    """

    staging: Path
    keep: timedelta

    def find(self, identity: str) -> IndexedUnit | None:
        """The index of a file in some state; None where it was not taken apart, or long ago."""
        folder = self._folder(identity)
        if not (folder / FACTS).is_file():
            return None
        with storage_errors(self.staging):
            os.utime(folder)
            return IndexedUnit.open(folder, self.bad_file(identity))

    def put(self, identity: str, index: UnitIndex) -> IndexedUnit:
        """Keep an index; where another process did meanwhile, it is the same.

        Raises:
            StorageError: The disk is full, or fails.
        """
        folder = self._folder(identity)
        with storage_errors(self.staging):
            make_private(self.staging)
            make_private(folder.parent)
            partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", suffix=".partial", dir=folder.parent))
            for name, content in index.files.items():
                make_private_file(partial / name).write_bytes(content)
            try:
                partial.rename(folder)
            except OSError:
                shutil.rmtree(partial, ignore_errors=True)
                if not (folder / FACTS).is_file():
                    raise
            self.put_bad_lines(identity, index.bad_lines)
            return IndexedUnit.open(folder, self.bad_file(identity))

    def put_bad_lines(self, identity: str, lines: bytes) -> None:
        """Keep what could not be read where people look for it."""
        if lines:
            make_private(self.staging)
            file = self.bad_file(identity)
            make_private(file.parent)
            replace_private_file(file, lines)

    def bad_file(self, identity: str) -> Path:
        """Where the lines of a file are that could not be read."""
        return self.staging / _BAD / f"{self._folder(identity).name}.jsonl"

    def clean(self) -> None:
        """Remove what nobody asked for since long, and what a crash left."""
        oldest = time.time() - self.keep.total_seconds()
        for folder in (self.staging / _FOLDER).glob("*"):
            if folder.is_dir() and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, identity: str) -> Path:
        return self.staging / _FOLDER / hashlib.sha256(f"{FORMAT}\0{identity}".encode()).hexdigest()[:32]
