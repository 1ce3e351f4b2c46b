"""Folders of a lake's own state, which nobody else on the machine can look into."""

from __future__ import annotations

from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for this user alone; one that is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    # As `mkdir` does: something else of that name is no folder.
    folder.mkdir(exist_ok=True)
