"""The ancestors of a table's snapshots, including expired ones, as far as earlier metadata files have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from influx_lake.iceberg.scan.manifest_cache import manifests_of
from influx_lake.iceberg.table_state import commit_log
from influx_lake.iceberg.table_state.changes import BRANCH, number, summary_of
from influx_lake.iceberg.table_state.kept_states import KeptState, kept_states
from influx_lake.iceberg.table_state.shares import state_of_share
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.table_state.state_encoding import SUMMARY, States, base_id, read_properties, read_summary

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

MOST_FILES = 20
"""The largest number of earlier metadata files read: a table keeps a hundred, and each is a request to a store."""
_COMMIT_ID = "influx-lake.commit-id"
_SOURCE = "influx-lake.source"


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The content of an earlier metadata file.

    Attributes:
        current: The snapshot that was current then.
        snapshots: The snapshots that the table had, by id.
        properties: The table's properties.
    """

    current: int | None
    snapshots: Mapping[int, Snapshot]
    properties: Mapping[str, str]


@dataclass(slots=True)
class Lineage:
    """The snapshots of a table. No file is read for those that its metadata still has."""

    table: Table
    _there: dict[int, Snapshot] = field(init=False)
    _read: list[_Earlier] = field(default_factory=list)
    _left: list[str] = field(init=False)

    def __post_init__(self) -> None:
        metadata = self.table.metadata
        self._there = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
        self._left = [entry.metadata_file for entry in reversed(metadata.metadata_log)][:MOST_FILES]

    def find(self, snapshot_id: int) -> Snapshot | None:
        """Find a snapshot, also an expired one; None where no metadata file has it."""
        found = (each.snapshots[snapshot_id] for each in self._earlier_files() if snapshot_id in each.snapshots)
        return self._there.get(snapshot_id) or next(found, None)

    def is_there(self, snapshot: Snapshot) -> bool:
        """Whether the table still has a snapshot."""
        return snapshot.snapshot_id in self._there

    def line(self, snapshot: Snapshot) -> Iterator[Snapshot]:
        """A snapshot and its ancestors, newest first, as far as they are known."""
        found: Snapshot | None = snapshot
        while found is not None:
            yield found
            parent = self.parent_of(found)
            found = None if parent is None else self.find(parent)

    def parent_of(self, snapshot: Snapshot) -> int | None:
        """The id of a snapshot's parent; None where it has no parent, or no metadata file has it."""
        if snapshot.parent_snapshot_id is not None or (self.is_there(snapshot) and self.is_first(snapshot)):
            return snapshot.parent_snapshot_id
        # pyiceberg removes the parent's id from a snapshot when it expires the parent.
        as_they_were = (each.snapshots.get(snapshot.snapshot_id) for each in self._earlier_files())
        parents = (found.parent_snapshot_id for found in as_they_were if found is not None)
        return next((parent for parent in parents if parent is not None), None)

    def is_first(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot has no parent: its manifests have no files of others, and list none as removed."""
        if snapshot.parent_snapshot_id is not None:
            return False
        if not self.is_there(snapshot):
            # Its manifests were deleted with it. Its summary has the same numbers.
            said = summary_of(snapshot)
            return number(snapshot, "deleted-data-files") == 0 and all(
                f"total-{what}" in said and said[f"total-{what}"] == said.get(f"added-{what}", "0")
                for what in ("data-files", "records")
            )
        return not any(
            manifest.added_snapshot_id != snapshot.snapshot_id
            or manifest.has_existing_files()
            or manifest.deleted_files_count != 0
            for manifest in manifests_of(snapshot, self.table.io)
        )

    def state_at(self, snapshot: Snapshot) -> TableState | None:
        """The state of a snapshot of ours, from its summary or from its commit's properties; None where neither is
        left.

        In a shared table it is the state of the viewed measurement.
        """
        states = self.states_at(snapshot)
        return None if states is None else state_of_share(states, self.table)

    def states_at(self, snapshot: Snapshot) -> States | None:
        """The state of our snapshot, of each measurement in a shared table; None where it is not recorded any more."""
        if (text := summary_of(snapshot).get(SUMMARY)) is not None:
            states = read_summary(text, self.whole_states)
            if states is not None:
                return states
        elif (kept := self.kept(snapshot.snapshot_id)) is not None:
            return read_summary(kept.text, lambda snapshot_id: None)
        elif not is_ours(snapshot) and snapshot.snapshot_id != last_commit(self.table.metadata):
            return None
        return self._stated(snapshot)

    def base_of(self, snapshot: Snapshot) -> tuple[int, States] | None:
        """The snapshot that records the complete state of a snapshot of ours, and that state; None where it is gone."""
        text = summary_of(snapshot).get(SUMMARY)
        if text is None:
            return None
        base = base_id(text) or snapshot.snapshot_id
        states = self.whole_states(base) if base in self._there else None
        return None if states is None else (base, states)

    def whole_states(self, snapshot_id: int) -> States | None:
        """The complete state that a snapshot of ours records; None where it is gone, or records changes only."""
        kept = self.kept(snapshot_id)
        snapshot = self.find(snapshot_id) if kept is None else None
        text = kept.text if kept else summary_of(snapshot).get(SUMMARY) if snapshot else None
        return None if text is None or base_id(text) else read_summary(text, lambda snapshot_id: None)

    def kept(self, snapshot_id: int) -> KeptState | None:
        """The kept state of a snapshot, after others expired."""
        return kept_states(self.table.metadata).get(snapshot_id)

    def _earlier_files(self) -> Iterator[_Earlier]:
        """Yield the content of earlier metadata files, newest first; each is read once, when it is needed."""
        yield from list(self._read)
        while self._left:
            earlier = _earlier(self._left.pop(0), self.table.io)
            if earlier is not None:
                self._read.append(earlier)
                yield earlier

    def _stated(self, snapshot: Snapshot) -> States | None:
        """The state in the properties of a snapshot's commit: the current ones, or an earlier metadata file's."""
        said, source = self.table.metadata.properties, summary_of(snapshot).get(_SOURCE)
        if last_commit(self.table.metadata) == snapshot.snapshot_id:
            return read_properties(said, source)
        log = [entry for entry in self.table.metadata.metadata_log if entry.timestamp_ms >= snapshot.timestamp_ms]
        for entry in log[:MOST_FILES]:
            earlier = _earlier(entry.metadata_file, self.table.io)
            if earlier is not None and commit_log.last(earlier.properties) == snapshot.snapshot_id:
                return read_properties(earlier.properties, source)
        return None


def is_ours(snapshot: Snapshot) -> bool:
    """Whether a load of ours made a snapshot."""
    said = summary_of(snapshot)
    return SUMMARY in said or _COMMIT_ID in said


def last_commit(metadata: TableMetadata) -> int | None:
    """The latest commit of ours, for which the table's properties were written; None where there was none."""
    recorded = commit_log.last(metadata.properties)
    if recorded is not None:
        return recorded
    ours = (each for each in metadata.snapshots if is_ours(each) and BRANCH not in summary_of(each))
    newest = max(ours, key=lambda each: (each.sequence_number or 0, each.timestamp_ms), default=None)
    return newest.snapshot_id if newest else None


def line_there(metadata: TableMetadata, snapshot_id: int | None = None) -> dict[int, Snapshot]:
    """A snapshot and its ancestors, newest first, as far as the table still has them.

    Args:
        metadata: The table's metadata.
        snapshot_id: The snapshot; None for the current one.
    """
    there = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    found: dict[int, Snapshot] = {}
    number = metadata.current_snapshot_id if snapshot_id is None else snapshot_id
    while number is not None and number in there and number not in found:
        found[number] = there[number]
        number = there[number].parent_snapshot_id
    return found


@dataclass(frozen=True, slots=True)
class _MetadataFile:
    path: str
    io: FileIO = field(compare=False)


def _earlier(path: str, io: FileIO) -> _Earlier | None:
    return _read(_MetadataFile(path, io))


@lru_cache(maxsize=64)
def _read(file: _MetadataFile) -> _Earlier | None:
    # A metadata file never changes.
    from pyiceberg.serializers import FromInputFile

    try:
        metadata = FromInputFile.table_metadata(file.io.new_input(file.path))
    except OSError:
        # Tables with metadata clean-up still list files that are deleted.
        return None
    snapshots = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    return _Earlier(metadata.current_snapshot_id, snapshots, metadata.properties)
