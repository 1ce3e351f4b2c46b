"""Position deletes of other engines: those of a data file are removed with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestWriterV2,
)
from pyiceberg.table.snapshots import (
    REMOVED_DELETE_FILES,
    REMOVED_POSITION_DELETE_FILES,
    REMOVED_POSITION_DELETES,
)

_FILE_PATH = 2147483546
"""The field id of the column in which a position delete names its data file, reserved by Iceberg's specification."""


def is_only_of(deletes: DataFile, paths: Collection[str]) -> bool:
    """Whether a delete file applies to one data file only, and to one of these.

    A delete file that applies to several data files, or does not say, stays: readers ignore entries of removed files.
    """
    lower, upper = ((bounds or {}).get(_FILE_PATH) for bounds in (deletes.lower_bounds, deletes.upper_bounds))
    one = lower is not None and lower == upper
    return deletes.content is DataFileContent.POSITION_DELETES and one and bytes(lower or b"").decode() in paths


def removal_summary(entries: Iterable[ManifestEntry]) -> dict[str, str]:
    """The properties of a snapshot's summary for the delete files that it removes."""
    counts = [entry.data_file.record_count for entry in entries]
    if not counts:
        return {}
    files, rows = str(len(counts)), str(sum(counts))
    return {REMOVED_DELETE_FILES: files, REMOVED_POSITION_DELETE_FILES: files, REMOVED_POSITION_DELETES: rows}


class DeleteManifestWriter(ManifestWriterV2):
    """Writes manifests of delete files, which pyiceberg 0.12 does not."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}
