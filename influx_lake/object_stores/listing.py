"""What is in a folder of an object store, by Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


def lists_no_folders(system: FileSystem) -> bool:
    """Whether a listing of one level has no folders: so does Arrow's of Google's storage, for lack of markers there."""
    return bool(system.type_name == "gcs")


def children(system: FileSystem, folder: str) -> list[FileInfo]:
    """The files and folders that are directly in a folder; none where there is no such folder."""
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
