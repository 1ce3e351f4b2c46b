"""One committer per table at a time on this machine: waiting for a lock is cheaper than planning a commit again."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE_SECONDS = 30.0
"""The longest wait for the lock: a process that hangs must not stop others, which commit correctly without it."""
_POLL_SECONDS = 0.01

log = logging.getLogger("influx_lake.iceberg")


@contextmanager
def commit_lock(name: object) -> Iterator[None]:
    """Hold a lock among this user's processes and threads on this machine, or go on without it.

    The lock's name is a table's UUID, or that of another resource which one process should use at a time.

    The lock only saves work: commits are correct without it, and other machines do not see it. The operating system
    releases it when the process dies.
    """
    with ExitStack() as held:
        try:
            folder = Path(tempfile.gettempdir()) / f"influx-lake-{os.getuid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            # Without flock there is no lock: a lock file would outlive a process that is killed.
            lock = FileLock(
                folder / f"{name}.lock", PATIENCE_SECONDS, poll_interval=_POLL_SECONDS, fallback_to_soft=False
            )
            held.enter_context(lock)
        except Timeout:
            log.debug("the lock of %s is held for longer than %s s: going on without it", name, PATIENCE_SECONDS)
        except OSError as error:
            log.warning("commits go on without a lock among this machine's processes: %s", error)
        yield
