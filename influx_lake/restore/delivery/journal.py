"""The journal of a restore: which points the target acknowledged, so that a restore that was killed sends only the
rest.

JSON lines: the first identifies the restore, each further one has the range of a batch's points in their window, and
the refused ones. An incomplete last line, left by a kill, is dropped: its batch is sent again, which is idempotent.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from influx_lake.config.values.windows import Window
from influx_lake.errors import GuardError, StorageError
from influx_lake.private_folders import make_private
from influx_lake.restore.delivery.batch import Batch, Refused

FOLDER = Path(".lake/restore")
"""The folder of the journals, relative to that of the lake.yaml."""
_FIRST, _BEGUN = "restore", "begun"


class RestoreUnderWay(GuardError):
    """Another process runs the same restore."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The points of a window that the target has acknowledged, as ranges of indices.

    Attributes:
        begins: The begin of each range, ascending.
        ends: The end of each range, exclusive.
    """

    begins: np.ndarray
    ends: np.ndarray

    def pending(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """The parts of a range that are not acknowledged."""
        at, until = first, first + count
        for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True):
            if end <= at:
                continue
            if begin >= until:
                break
            if begin > at:
                yield at, begin
            at = end
        if at < until:
            yield at, until


class Journal:
    """The journal of one restore; threads may share it.

    Args:
        path: The file.
        about: The identity of the restore: a journal of another one is discarded.
        anew: Whether an existing journal is discarded.

    Raises:
        RestoreUnderWay: Another process has it open.
        StorageError: It cannot be opened.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], *, anew: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            make_private(path.parent)
            self._file = self._opened()
        except OSError as error:
            raise StorageError(
                f"the journal of the restore, {path}, cannot be opened: {error}",
                remedy="See to it that this user can write there",
            ) from None
        self._done: dict[str, list[tuple[int, int]]] = {}
        self._begun: set[str] = set()
        # Offsets of the records with refused points, by window and first point: the points might exceed memory.
        self._refusing: dict[str, dict[int, int]] = {}
        self.resumed = not anew and self._read(dict(about))
        if not self.resumed:
            self._file.truncate(0)
            self._write({_FIRST: dict(about)})

    @staticmethod
    def begun(path: Path) -> dict[str, Any] | None:
        """The identity in an existing journal; None where there is none."""
        try:
            with path.open("rb") as lines:
                found = json.loads(lines.readline())[_FIRST]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, dict) else None

    def acknowledged(self, window: Window) -> Acknowledged:
        """The acknowledged points of a window."""
        with self._lock:
            stretches = sorted(self._done.get(str(window), ()))
        return Acknowledged(
            np.array([begin for begin, _ in stretches], np.int64), np.array([end for _, end in stretches], np.int64)
        )

    def acknowledge(self, batch: Batch, refused: tuple[Refused, ...]) -> None:
        """Record that the target has a batch, but for the refused points."""
        record: dict[str, Any] = {"window": str(batch.window), "begin": batch.begin, "end": batch.end}
        if refused:
            record["refused"] = [[each.place, each.reason, each.line] for each in refused]
        with self._lock:
            self._note(record, self._write(record))

    def has(self, window: Window) -> bool:
        """Whether the restore has begun with a window, so that points in the target may be its own."""
        return str(window) in self._begun

    def begin(self, windows: Sequence[Window]) -> None:
        """Record that the restore begins with windows."""
        if windows:
            with self._lock:
                self._write({_BEGUN: [str(window) for window in windows]})
                self._begun |= {str(window) for window in windows}

    def refused(self, window: Window) -> Iterator[Refused]:
        """The refused points of a window, by index."""
        for _, place in sorted(self._refusing.get(str(window), {}).items()):
            with self._lock:
                self._file.seek(place)
                record = json.loads(self._file.readline())
            yield from (Refused(*each) for each in record["refused"])

    def close(self) -> None:
        """Close the file and keep it."""
        self._file.close()

    def remove(self) -> None:
        """Delete the file: the restore is complete."""
        self.path.unlink(missing_ok=True)
        self._file.close()

    def _opened(self) -> IO[bytes]:
        file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise RestoreUnderWay(
                f"another process does the same restore: it has {self.path} open", remedy="Wait for it, or stop it"
            ) from None
        return file

    def _read(self, about: dict[str, Any]) -> bool:
        """Read the complete records, and truncate the file after them."""
        end = 0
        for place, record in _records(self._file):
            if not place and record.get(_FIRST) != json.loads(json.dumps(about)):
                return False
            if _BEGUN in record:
                self._begun |= {*record[_BEGUN]}
            elif place:
                self._note(record, place)
            end = self._file.tell()
        self._file.truncate(end)
        return end > 0

    def _note(self, record: Mapping[str, Any], place: int) -> None:
        stretches = self._done.setdefault(record["window"], [])
        begin, end = record["begin"], record["end"]
        if stretches and stretches[-1][1] == begin:
            begin = stretches.pop()[0]
        stretches.append((begin, end))
        if record.get("refused"):
            self._refusing.setdefault(record["window"], {})[record["begin"]] = place

    def _write(self, record: Mapping[str, Any]) -> int:
        try:
            place = self._file.seek(0, os.SEEK_END)
            self._file.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"could not write down in {self.path} what was acknowledged: {error}",
                remedy="Make room there, and restore again: what was written down is kept",
            ) from None
        return place


def _records(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the complete records, each with its offset."""
    file.seek(0)
    while True:
        place = file.tell()
        line = file.readline()
        try:
            record = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            return
        if not isinstance(record, dict):
            return
        yield place, record
