"""One committer per table at a time on this machine: a race avoided is cheaper than a commit planned again."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def commit_lock(table_uuid: object) -> Iterator[None]:
    """Hold the table's lock among the processes and threads of this user on this machine.

    It only saves work: commits are correct without it, and other machines do not see it. The system releases it when
    the process dies.
    """
    folder = Path(tempfile.gettempdir()) / f"influx-lake-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{table_uuid}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
