"""What is in a folder of a store that has none."""

from __future__ import annotations

from dataclasses import dataclass

from pyarrow.fs import FileInfo, FileSelector, FileType

from influx_lake.object_stores.listing import children


@dataclass
class Google:
    """Arrow's client of Google's storage: what it lists is files alone."""

    files: tuple[str, ...]
    type_name: str = "gcs"

    def get_file_info(self, selector: FileSelector) -> list[FileInfo]:
        inside = [path for path in self.files if path.startswith(f"{selector.base_dir.rstrip('/')}/")]
        deep = selector.recursive
        return [
            FileInfo(path, FileType.File, size=1)
            for path in inside
            if deep or "/" not in path.removeprefix(f"{selector.base_dir.rstrip('/')}/")
        ]


def test_folders_are_distinguished_from_the_files_below_them() -> None:
    store = Google(("b/z/day=1/x", "b/z/day=1/deep/y", "b/z/day=2/x", "b/z/top", "b/other/x"))
    found = {each.path: each.type for each in children(store, "b/z/")}  # type: ignore[arg-type]
    assert found == {"b/z/day=1": FileType.Directory, "b/z/day=2": FileType.Directory, "b/z/top": FileType.File}
    assert children(store, "b/nowhere") == []  # type: ignore[arg-type]
