"""A catalog whose tables are as one of their branches has them, for code that reads, loads or checks any table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.history.snapshot_view import MAIN, as_of
from influx_lake.iceberg.history.updates import remove_ref
from influx_lake.iceberg.table_state import commit_log
from influx_lake.iceberg.table_state.changes import BRANCH
from influx_lake.iceberg.table_state.state_encoding import STATED

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import AddSnapshotUpdate, TableRequirement, TableUpdate

_OF_MAIN = frozenset({*STATED, commit_log.PROPERTY})
"""Properties that describe the snapshot that readers of the table get: commits to a branch do not change them."""

Dropped = Callable[["TableMetadata"], Iterable[str]]
"""Determines the branches that a commit removes."""


def on_branch(catalog: Catalog, branch: str, dropping: Dropped = lambda metadata: ()) -> Catalog:
    """View a catalog with tables as they are on a branch, where commits go too.

    A table without the branch is shown as on its main branch; the first commit creates the branch. Commits to the
    branch do not change what readers of the table get, except columns: a table's branches share its schema.

    Args:
        catalog: The catalog.
        branch: The branch.
        dropping: Determines other branches that each commit removes.
    """
    return cast("Catalog", _BranchCatalog(catalog, branch, dropping))


def branch_of(catalog: Catalog) -> str | None:
    """The branch that a catalog shows tables on; None for the main branch."""
    return catalog.branch if isinstance(catalog, _BranchCatalog) else None


class _BranchCatalog:
    def __init__(self, catalog: Catalog, branch: str, dropping: Dropped) -> None:
        self._catalog = catalog
        self._branch = branch
        self._dropping = dropping

    @property
    def branch(self) -> str | None:
        return None if self._branch == MAIN else self._branch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    def load_table(self, identifier: str | tuple[str, ...]) -> Table:
        """Load a table as it is on the branch.

        Raises:
            ConfigurationError: The table has a tag of this name, which no load moves.
        """
        return self._view(self._catalog.load_table(identifier))

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit to the branch what was planned for the table as it is there.

        Raises:
            CommitFailedException: Another writer was first, on this branch or another.
        """
        from pyiceberg.exceptions import CommitFailedException

        before = self._catalog.load_table(table.name())
        dropped = [name for name in self._dropping(before.metadata) if name in before.metadata.refs]
        try:
            response = self._catalog.commit_table(
                before,
                tuple(self._required(requirements, before.metadata)),
                (*self._updated(updates), *map(remove_ref, dropped)),
            )
        except Exception as error:
            # Sequence numbers count over all branches: another branch got a snapshot with this number meanwhile.
            if "sequence number" not in str(error):
                raise
            raise CommitFailedException(str(error)) from error
        before.metadata, before.metadata_location = response.metadata, response.metadata_location
        return response.model_copy(update={"metadata": self._view(before).metadata})

    def _view(self, table: Table) -> Table:
        from pyiceberg.table import Table as IcebergTable

        me = cast("Catalog", self)
        ref = None if self._branch == MAIN else table.metadata.refs.get(self._branch)
        if ref is not None and ref.snapshot_ref_type != "branch":
            raise ConfigurationError(
                f"{self._branch} is a tag of {'.'.join(table.name())}, which stays at its snapshot: nothing is loaded "
                "to it",
                remedy="Choose another name for the branch",
            )
        snapshot = table.metadata.snapshot_by_id(ref.snapshot_id) if ref else None
        if snapshot is not None:
            return as_of(table, snapshot, me)
        return IcebergTable(table.name(), table.metadata, table.metadata_location, table.io, me, table.config)

    def _required(
        self, requirements: Iterable[TableRequirement], metadata: TableMetadata
    ) -> Iterator[TableRequirement]:
        from pyiceberg.table.update import AssertRefSnapshotId

        there = self._branch in metadata.refs
        for each in requirements:
            if not isinstance(each, AssertRefSnapshotId) or each.ref != MAIN or self._branch == MAIN:
                yield each
                continue
            if not there:
                # The branch starts from the snapshot that was planned on: after another commit that is no longer
                # possible.
                yield each
            if metadata.snapshots:
                # For a table without snapshots, pyiceberg allows no requirements on other branches.
                planned_on = each.snapshot_id if there else None
                yield AssertRefSnapshotId.model_validate({"ref": self._branch, "snapshot-id": planned_on})

    def _updated(self, updates: Iterable[TableUpdate]) -> Iterator[TableUpdate]:
        from pyiceberg.table.update import AddSnapshotUpdate, SetPropertiesUpdate, SetSnapshotRefUpdate

        for update in updates:
            if self._branch == MAIN:
                yield update
            elif isinstance(update, AddSnapshotUpdate):
                yield _marked(update, self._branch)
            elif isinstance(update, SetSnapshotRefUpdate) and update.ref_name == MAIN:
                yield update.model_copy(update={"ref_name": self._branch})
            elif isinstance(update, SetPropertiesUpdate):
                if left := {name: value for name, value in update.updates.items() if name not in _OF_MAIN}:
                    yield SetPropertiesUpdate(updates=left)
            else:
                yield update


def _marked(update: AddSnapshotUpdate, branch: str) -> AddSnapshotUpdate:
    """A new snapshot whose summary names the branch that it was made for."""
    from pyiceberg.table.snapshots import Summary

    summary = update.snapshot.summary
    assert summary is not None
    said = Summary(summary.operation, **{**summary.additional_properties, BRANCH: branch})
    return update.model_copy(update={"snapshot": update.snapshot.model_copy(update={"summary": said})})
