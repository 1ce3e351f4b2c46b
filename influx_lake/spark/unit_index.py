"""The indexes of files that executors parsed, everything but the values, on the driver's disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from influx_lake.private_folders import make_private, make_private_file, replace_private_file
from influx_lake.sources.points.joined_index import join_indexes
from influx_lake.sources.points.staged_file import FACTS, FORMAT, INDEX, Unit
from influx_lake.sources.points.staging import storage_errors

_FOLDER, _BAD = "spark", "bad_lines"


class IndexedUnit(Unit):
    """A unit without its values."""

    @property
    def has_values(self) -> bool:
        """Always false."""
        return False

    def chunk(self, number: int) -> pa.RecordBatch:
        """Always an error: the values are in Spark."""
        raise TypeError(f"chunk {number} of {self.facts['file']} is not on the driver")


@dataclass(frozen=True, slots=True)
class UnitIndex:
    """The index of a file's points.

    Attributes:
        files: The contents of the unit's files, other than its values, by name.
        bad_lines: The bad records, as JSON lines.
    """

    files: Mapping[str, bytes]
    bad_lines: bytes

    @classmethod
    def of(cls, unit: Unit) -> UnitIndex:
        """The index of a unit, with the facts added since it was written."""
        files = {name: (unit.folder / name).read_bytes() for name in INDEX}
        return cls({**files, FACTS: json.dumps(unit.facts).encode()}, bad_lines_in(unit.bad_file))

    def opened(self, folder: Path) -> IndexedUnit:
        """It, in a folder that is not there yet."""
        folder.mkdir()
        for name, content in self.files.items():
            make_private_file(folder / name).write_bytes(content)
        return IndexedUnit.open(folder, folder / "bad")


def joined(parts: Sequence[UnitIndex], bad_lines: bytes) -> UnitIndex:
    """What is known of a file whose parts were taken apart each by itself."""
    with tempfile.TemporaryDirectory(prefix="influx-lake-spark-") as folder:
        units = [part.opened(Path(folder) / str(number)) for number, part in enumerate(parts)]
        whole = Path(folder) / "whole"
        whole.mkdir()
        join_indexes(units, whole)
        return UnitIndex({name: (whole / name).read_bytes() for name in INDEX}, bad_lines)


def bad_lines_in(bad_file: Path) -> bytes:
    """The bad records in a file; empty where it does not exist."""
    return bad_file.read_bytes() if bad_file.is_file() else b""


@dataclass(slots=True)
class UnitIndexes:
    """The indexes in the staging folder of a source.

    Attributes:
        staging: The staging folder.
        keep: How long an unused index is kept.
    """

    staging: Path
    keep: timedelta

    def find(self, identity: str) -> IndexedUnit | None:
        """The index of a file in a given state; None where it was not parsed, or its index was removed since."""
        folder = self._folder(identity)
        if not (folder / FACTS).is_file():
            return None
        with storage_errors(self.staging):
            os.utime(folder)
            return IndexedUnit.open(folder, self.bad_file(identity))

    def put(self, identity: str, index: UnitIndex) -> IndexedUnit:
        """Store an index, or use the equal one that another process has stored meanwhile.

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
        """Store the bad records of a file in the source's staging folder, for people."""
        if lines:
            make_private(self.staging)
            file = self.bad_file(identity)
            make_private(file.parent)
            replace_private_file(file, lines)

    def bad_file(self, identity: str) -> Path:
        """The path of a file's bad records."""
        return self.staging / _BAD / f"{self._folder(identity).name}.jsonl"

    def clean(self) -> None:
        """Remove indexes that were not used for `keep`, and what a crash left."""
        oldest = time.time() - self.keep.total_seconds()
        for folder in (self.staging / _FOLDER).glob("*"):
            if folder.is_dir() and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, identity: str) -> Path:
        return self.staging / _FOLDER / hashlib.sha256(f"{FORMAT}\0{identity}".encode()).hexdigest()[:32]
