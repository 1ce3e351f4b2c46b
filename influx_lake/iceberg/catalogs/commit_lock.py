"""One committer per table at a time on this machine: a race avoided is cheaper than a commit planned again."""

from __future__ import annotations

import fcntl
import logging
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

PATIENCE_SECONDS = 30.0
"""How long the lock is waited for: a holder that hangs must not stop those that would commit correctly without it."""
_LONGEST_PAUSE_SECONDS = 0.02

log = logging.getLogger("influx_lake.iceberg")


@contextmanager
def commit_lock(name: object) -> Iterator[None]:
    """Hold a lock among the processes and threads of this user on this machine, or go on without it.

    Its name is a table's uuid, or that of something else that one of them had better do at a time.

    It only saves work: commits are correct without it, and other machines do not see it. The system releases it when
    the process dies.
    """
    file = _opened(f"{name}.lock")
    with file or nullcontext():
        if file is not None:
            _wait_for(file)
        yield


def _opened(name: str) -> IO[str] | None:
    """The lock's file; None where temporary files cannot be made, for lack of space or of rights."""
    try:
        folder = Path(tempfile.gettempdir()) / f"influx-lake-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return (folder / name).open("w")
    except OSError as error:
        log.warning("commits go on without a lock among this machine's processes: %s", error)
        return None


def _wait_for(file: IO[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))
        else:
            return
