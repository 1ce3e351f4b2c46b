"""Creates folders and files for a lake's own state that only this user can access."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

OWN_FOLDER = ".lake"
"""The default folder of a lake's state."""


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, accessible to this user alone.

    Existing folders are unchanged, other than a lake's own `.lake`, which earlier versions made readable for everybody.
    One with group write permission is shared on purpose, and stays accessible to the group.

    Raises:
        OSError: It cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    # Raises FileExistsError, as `mkdir` does, where the path is not a folder.
    folder.mkdir(exist_ok=True)
    for each in (folder, *folder.parents):
        if each.name == OWN_FOLDER:
            _close_to_others(each)


def make_private_file(path: Path) -> Path:
    """Create an empty file that only this user can read, whatever the umask, or truncate an existing one.

    Raises:
        OSError: It cannot be made.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return path


def replace_private_file(path: Path, content: bytes) -> None:
    """Replace a file atomically by one that only this user can read: readers see the old or the new content.

    Args:
        path: The file, in a folder that is there.
        content: The new content.

    Raises:
        OSError: It cannot be written; the one that is there stays.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _close_to_others(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    kept = mode & ~(stat.S_IRWXO if mode & stat.S_IWGRP else stat.S_IRWXG | stat.S_IRWXO)
    if kept != mode:
        # The folder may belong to another user who shares it.
        with suppress(PermissionError):
            folder.chmod(kept)
