"""A folder that stores the points of files for later windows and other processes: bounded, cleaned, safe in crashes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from influx_lake.config.values.windows import Window
from influx_lake.errors import StorageError
from influx_lake.private_folders import make_private
from influx_lake.sources.files import StoredFile
from influx_lake.sources.files.parts import WHOLE, FilePart, Place
from influx_lake.sources.points.registry import Registry
from influx_lake.sources.points.staged_file import FACTS, FORMAT, Unit, UnitWriter

_LOCK, _PARTIAL, _BAD = ".lock", ".partial", "bad_lines"
_CLEAN_SECONDS = 10.0
"""How long the folder is left alone once it was cleaned, as long as half of it is free."""
_NAME = re.compile(r"[0-9a-f]{32}")
"""The form of units' names: the folder may also hold files of others."""


class FileTask(Protocol):
    """Parses one file, in this or another process; it can be pickled."""

    @property
    def file(self) -> StoredFile:
        """The file."""
        ...

    @property
    def reach(self) -> Window | None:
        """The time range allowed for its points; None for any."""
        ...

    @property
    def is_text(self) -> bool:
        """Whether its records are lines, so that parts of it can be parsed separately."""
        ...

    def __call__(self, writer: UnitWriter, part: FilePart = WHOLE) -> Place:
        """Write the points of the file, or of a part of it, to a unit.

        Args:
            writer: The unit.
            part: The part, with its start.

        Returns:
            The place where the part ended.

        Raises:
            SourceError: The file cannot be read.
        """
        ...

    def context_by(self, head: bytes) -> object:
        """A guess at the context of places in the file, by its first lines.

        Args:
            head: Its first lines.

        Raises:
            SourceError: They cannot be read.
        """
        ...


class UnitStore(Protocol):
    """Holds the points of parsed files."""

    def prepare(self, wanted: Sequence[tuple[str, FileTask]], *, values: bool) -> None:
        """Prepare the units that are needed next, all at once.

        Args:
            wanted: The identity of each file and its state, and the task that parses it.
            values: Whether the values are needed, not only the series and fields.
        """
        ...

    def unit(self, identity: str, build: FileTask) -> Unit:
        """The unit of a file, created unless it exists. It stays until `close`.

        Args:
            identity: The identity of the file and its state.
            build: Parses the file to the unit.

        Raises:
            SourceError: The file cannot be read.
            StorageError: The disk is full, or fails.
        """
        ...

    def close(self) -> None:
        """Release the units."""
        ...


@dataclass
class Staging:
    """The folder, as used by one source: its units stay until `close`.

    Attributes:
        folder: The folder of units, created with the first one.
        max_bytes: The largest size of all units together.
        keep: How long unused units are kept.
    """

    folder: Path
    max_bytes: int
    keep: timedelta
    _held: ExitStack = field(default_factory=ExitStack)
    _cleaned_at: float = field(default=-_CLEAN_SECONDS, init=False)
    _size: int = field(default=0, init=False)

    def prepare(self, wanted: Sequence[tuple[str, FileTask]], *, values: bool) -> None:
        """Do nothing: units are created when they are read."""

    def unit(self, identity: str, build: FileTask) -> Unit:
        """The unit of a file, created unless it exists. It stays until `close`.

        Other processes that need it wait meanwhile. A process that is killed leaves no incomplete unit.

        Args:
            identity: The identity of the file and its state.
            build: Parses the file to the unit.

        Raises:
            StorageError: The disk is full, or fails.
        """
        folder = self.folder / hashlib.sha256(f"{FORMAT}\0{identity}".encode()).hexdigest()[:32]
        with storage_errors(self.folder), ExitStack() as held:
            make_private(self.folder)
            # Units in use are locked shared, so that others do not clean them.
            lock = held.enter_context(_locked(folder, exclusive=False))
            while not folder.is_dir():
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    self._build(folder, build)
                fcntl.flock(lock, fcntl.LOCK_SH)
            os.utime(folder)
            unit = Unit.open(folder, self._bad_file(folder))
            # Keep the lock only on success, so that others may try.
            self._held.push(held.pop_all())
            return unit

    def _build(self, folder: Path, build: FileTask) -> None:
        if self._size > self.max_bytes // 2 or time.monotonic() > self._cleaned_at + _CLEAN_SECONDS:
            self.clean()
        partial = folder.with_suffix(_PARTIAL)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        writer = UnitWriter(partial, self._bad_file(folder), Registry(), self.max_bytes)
        try:
            build(writer)
        except BaseException:
            writer.abandon()
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._size += sum(file.stat().st_size for file in partial.iterdir())
        partial.rename(folder)

    def _bad_file(self, folder: Path) -> Path:
        """The file of bad records; it is outside of the unit, so that it stays if the file is refused."""
        return self.folder / _BAD / f"{folder.name}.jsonl"

    def clean(self) -> None:
        """Remove leftovers of crashes, units unused for long, and the oldest ones above the size limit.

        Only units, recognised by name and content, are removed: the folder may hold other files.
        """
        for partial in self.folder.glob(f"*{_PARTIAL}"):
            if partial.is_dir() and _NAME.fullmatch(partial.stem):
                _remove(partial)
        units = sorted((each for each in self.folder.iterdir() if _is_unit(each)), key=_used_at)
        sizes = {unit: sum(file.stat().st_size for file in unit.iterdir()) for unit in units}
        total, oldest = sum(sizes.values()), time.time() - self.keep.total_seconds()
        for unit in units:
            if (_used_at(unit) < oldest or total > self.max_bytes) and _remove(unit):
                total -= sizes[unit]
        self._cleaned_at, self._size = time.monotonic(), total

    def close(self) -> None:
        """Release the units."""
        self._held.close()


def _is_unit(folder: Path) -> bool:
    return _NAME.fullmatch(folder.name) is not None and (folder / FACTS).is_file()


def _used_at(unit: Path) -> float:
    return unit.stat().st_mtime


@contextmanager
def _locked(folder: Path, *, exclusive: bool, wait: bool = True) -> Iterator[int]:
    handle = os.open(folder.with_suffix(_LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        yield handle
    finally:
        os.close(handle)


def _remove(folder: Path) -> bool:
    """Remove a folder that is not in use."""
    with suppress(BlockingIOError), _locked(folder, exclusive=True, wait=False):
        shutil.rmtree(folder, ignore_errors=True)
        return True
    return False


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Convert errors of the disk that stores points to those of this project."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"points of files could not be stored in {folder}: {error.strerror or error}",
            remedy="Free space there, or name another folder with `staging`; no table was changed",
        ) from error
