"""Other engines' position deletes: those of a file go when it goes."""

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
"""The id of the column in which a position delete names its data file, reserved by Iceberg's specification."""


def is_only_of(deletes: DataFile, paths: Collection[str]) -> bool:
    """Whether deletes are of rows of one file, and it is one of some files.

    Those of several files, or that do not say, stay: what they say of files that are gone is never looked at.
    """
    lower, upper = ((bounds or {}).get(_FILE_PATH) for bounds in (deletes.lower_bounds, deletes.upper_bounds))
    one = lower is not None and lower == upper
    return deletes.content is DataFileContent.POSITION_DELETES and one and bytes(lower or b"").decode() in paths


def removal_summary(entries: Iterable[ManifestEntry]) -> dict[str, str]:
    """What a snapshot's summary says of deletes that it removes."""
    counts = [entry.data_file.record_count for entry in entries]
    if not counts:
        return {}
    files, rows = str(len(counts)), str(sum(counts))
    return {REMOVED_DELETE_FILES: files, REMOVED_POSITION_DELETE_FILES: files, REMOVED_POSITION_DELETES: rows}


class DeleteManifestWriter(ManifestWriterV2):
    """Writes a manifest of deletes, which pyiceberg 0.12 does not."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}
