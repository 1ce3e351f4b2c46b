"""One committer per table at a time on this machine: a race avoided is cheaper than a commit planned again."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE_SECONDS = 30.0
"""How long the lock is waited for: a holder that hangs must not stop those that would commit correctly without it."""
_POLL_SECONDS = 0.01

log = logging.getLogger("influx_lake.iceberg")


@contextmanager
def commit_lock(name: object) -> Iterator[None]:
    """Hold a lock among the processes and threads of this user on this machine, or go on without it.

    Its name is a table's uuid, or that of something else that one of them had better do at a time.

    It only saves work: commits are correct without it, and other machines do not see it. The system releases it when
    the process dies.
    """
    with ExitStack() as held:
        try:
            folder = Path(tempfile.gettempdir()) / f"influx-lake-{os.getuid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            # Without flock there is no lock: a file that stands for one would outlive a process that is killed.
            lock = FileLock(
                folder / f"{name}.lock", PATIENCE_SECONDS, poll_interval=_POLL_SECONDS, fallback_to_soft=False
            )
            held.enter_context(lock)
        except Timeout:
            log.debug("the lock of %s is held for longer than %s s: going on without it", name, PATIENCE_SECONDS)
        except OSError as error:
            log.warning("commits go on without a lock among this machine's processes: %s", error)
        yield
