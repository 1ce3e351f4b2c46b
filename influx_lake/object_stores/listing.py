"""Lists a folder of an object store with Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


def lists_no_folders(system: FileSystem) -> bool:
    """Whether a non-recursive listing omits folders, as Arrow's of Google's storage does for lack of markers."""
    return bool(system.type_name == "gcs")


def children(system: FileSystem, folder: str) -> list[FileInfo]:
    """The files and folders directly in a folder; empty where it does not exist."""
    from pyarrow.fs import FileInfo, FileSelector, FileType

    deep = lists_no_folders(system)
    found: list[FileInfo] = system.get_file_info(FileSelector(folder, recursive=deep, allow_not_found=True))
    if not deep:
        return found
    base = folder.rstrip("/") + "/"
    here: dict[str, FileInfo] = {}
    for each in found:
        name, below, _ = each.path.removeprefix(base).partition("/")
        if below:
            here.setdefault(name, FileInfo(base + name, FileType.Directory))
        else:
            here[name] = each
    return list(here.values())
