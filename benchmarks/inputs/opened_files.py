"""Which files below a folder are opened, by whatever process, as Linux tells it (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType

_OPEN = 0x20
_EVENT = struct.Struct("iIII")
_AT_ONCE = 1 << 16


class OpenedFiles:
    """Looks at a folder, and at those that are below it when it begins.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._queue = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            if library.inotify_add_watch(self._queue, os.fsencode(each), _OPEN) < 0:
                raise OSError(ctypes.get_errno(), f"cannot be watched: {each}")

    def names(self) -> list[str]:
        """The names of the files that were opened since it was asked before, each as often as it was."""
        found = []
        while told := self._told():
            place = 0
            while place < len(told):
                *_, length = _EVENT.unpack_from(told, place)
                place += _EVENT.size + length
                name = told[place - length : place].rstrip(b"\0")
                found += [os.fsdecode(name)] if name else []
        return found

    def forget(self) -> None:
        """Leave out what was opened so far."""
        self.names()

    def _told(self) -> bytes:
        try:
            return os.read(self._queue, _AT_ONCE)
        except BlockingIOError:
            return b""

    def __enter__(self) -> OpenedFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._queue)
