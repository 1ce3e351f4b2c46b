"""A folder that keeps the points of files for later windows and other processes: bounded, cleaned, safe in crashes."""

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
from influx_lake.sources.points.registry import Registry
from influx_lake.sources.points.staged_file import FACTS, FORMAT, Unit, UnitWriter

_LOCK, _PARTIAL, _BAD = ".lock", ".partial", "bad_lines"
_NAME = re.compile(r"[0-9a-f]{32}")
"""What a unit is called: others may keep files and folders where somebody put the staging folder."""


class FileTask(Protocol):
    """Takes one file apart: here, or in another process, which it can be handed to."""

    @property
    def file(self) -> StoredFile:
        """The file."""
        ...

    @property
    def reach(self) -> Window | None:
        """The time that its points may have; None: any."""
        ...

    def __call__(self, writer: UnitWriter) -> None:
        """Put the points of the file into a unit.

        Raises:
            SourceError: The file cannot be read.
        """
        ...


class UnitStore(Protocol):
    """Where the points of files are, once these were taken apart."""

    def prepare(self, wanted: Sequence[tuple[str, FileTask]], *, values: bool) -> None:
        """Be told which units are asked for next, all at once.

        Args:
            wanted: Of each the file and its state, and what fills it.
            values: Whether the values are wanted, and not only which series and fields there are.
        """
        ...

    def unit(self, identity: str, build: FileTask) -> Unit:
        """The unit of a file, made now unless it is there. It stays until `close`.

        Args:
            identity: The file and its state.
            build: Fills the unit.

        Raises:
            SourceError: The file cannot be read.
            StorageError: The disk is full, or fails.
        """
        ...

    def close(self) -> None:
        """Let go of the units."""
        ...


@dataclass
class Staging:
    """The folder, for as long as one source uses it: its units stay until `close`.

    Attributes:
        folder: Where units are; made when the first is.
        max_bytes: How much all units may take together.
        keep: How long a unit stays that nobody uses.
    """

    folder: Path
    max_bytes: int
    keep: timedelta
    _held: ExitStack = field(default_factory=ExitStack)

    def prepare(self, wanted: Sequence[tuple[str, FileTask]], *, values: bool) -> None:
        """Nothing is done before a unit is asked for."""

    def unit(self, identity: str, build: FileTask) -> Unit:
        """The unit of a file, made now unless it is there. It stays until `close`.

        Other processes that want it meanwhile wait. A process that is killed leaves none behind that is not whole.

        Args:
            identity: The file and its state.
            build: Fills the unit.

        Raises:
            StorageError: The disk is full, or fails.
        """
        folder = self.folder / hashlib.sha256(f"{FORMAT}\0{identity}".encode()).hexdigest()[:32]
        with storage_errors(self.folder), ExitStack() as held:
            make_private(self.folder)
            # Held shared while it is used: what nobody holds may be cleaned away.
            lock = held.enter_context(_locked(folder, exclusive=False))
            while not folder.is_dir():
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    self._build(folder, build)
                fcntl.flock(lock, fcntl.LOCK_SH)
            os.utime(folder)
            unit = Unit.open(folder, self._bad_file(folder))
            # Not where it failed: others may try.
            self._held.push(held.pop_all())
            return unit

    def _build(self, folder: Path, build: FileTask) -> None:
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
        partial.rename(folder)

    def _bad_file(self, folder: Path) -> Path:
        """Beside the units: it is for people, and stays when a file is refused."""
        return self.folder / _BAD / f"{folder.name}.jsonl"

    def clean(self) -> None:
        """Remove what was left by crashes, what nobody used for long, and the oldest of what is too much.

        Only what is a unit by its name and content: whatever else is in the folder is not this source's.
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

    def close(self) -> None:
        """Let go of the units."""
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
    """Remove a folder that nobody uses."""
    with suppress(BlockingIOError), _locked(folder, exclusive=True, wait=False):
        shutil.rmtree(folder, ignore_errors=True)
        return True
    return False


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn the errors of the disk that points are kept on into the project's."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"points of files could not be kept in {folder}: {error.strerror or error}",
            remedy="Free space there, or name another folder with `staging`; no table was changed",
        ) from error
