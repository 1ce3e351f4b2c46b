"""Branches and tags: named snapshots, which are kept as long as they have a name."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.history.ref_commit import RefChange, commit_refs
from influx_lake.iceberg.history.snapshot_view import MAIN
from influx_lake.iceberg.history.updates import ref_requirement, remove_ref, set_ref
from influx_lake.iceberg.table_state.changes import moment_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

AUDIT_PREFIX = "influx_lake_audit_"
"""The prefix of branches on which windows wait for their checks."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag.

    Attributes:
        name: Its name.
        is_tag: Whether it is a tag, which never moves.
        snapshot_id: The snapshot that it is at.
        at: When that snapshot was made.
        max_age_ms: The age of the snapshot at which an expiry removes the branch or tag; None: it is kept for ever.
    """

    name: str
    is_tag: bool
    snapshot_id: int
    at: datetime | None
    max_age_ms: int | None = None


def refs_of(table: Table) -> list[Ref]:
    """The branches and tags of a table, by name; the main branch first."""
    metadata = table.metadata
    found = [
        Ref(
            name,
            ref.snapshot_ref_type == "tag",
            ref.snapshot_id,
            moment_of(snapshot.timestamp_ms) if (snapshot := metadata.snapshot_by_id(ref.snapshot_id)) else None,
            ref.max_ref_age_ms,
        )
        for name, ref in metadata.refs.items()
    ]
    return sorted(found, key=lambda ref: (ref.name != MAIN, ref.name))


def create_ref(
    catalog: Catalog, identifier: tuple[str, ...], name: str, *, tag: bool, snapshot_id: int | None = None
) -> int:
    """Create a branch or tag, which no expiry removes.

    Args:
        catalog: The catalog.
        identifier: The table.
        name: Its name.
        tag: Create a tag.
        snapshot_id: The snapshot that it is put at; None for the current one.

    Returns:
        The snapshot that it is at.

    Raises:
        ConfigurationError: The name is taken or cannot be one, or there is no such snapshot.
        CommitError: It could not be committed.
    """
    kind = "tag" if tag else "branch"
    check_name(name, kind)

    def plan(table: Table, again: bool) -> RefChange | None:
        wanted = table.metadata.current_snapshot_id if snapshot_id is None else snapshot_id
        found = table.metadata.refs.get(name)
        if found is not None:
            if again and found.snapshot_ref_type == kind and found.snapshot_id == wanted:
                return None
            raise ConfigurationError(
                f"{'.'.join(identifier)} has a {found.snapshot_ref_type} {name} already, of snapshot "
                f"{found.snapshot_id}",
                remedy=f"Choose another name, or drop it first: influx-lake {found.snapshot_ref_type} MEASUREMENT "
                f"{name} --drop",
            )
        if wanted is None or table.metadata.snapshot_by_id(wanted) is None:
            raise _no_snapshot(table, wanted)
        return RefChange((set_ref(name, wanted, tag=tag),), tuple(ref_requirement(name, None, table)))

    made = commit_refs(catalog, identifier, plan, f"make the {kind} {name} of {'.'.join(identifier)}")
    return made.metadata.refs[name].snapshot_id


def drop_ref(catalog: Catalog, identifier: tuple[str, ...], name: str, *, tag: bool) -> int | None:
    """Remove a branch or tag. An expiry removes its snapshots later, unless another name keeps them.

    Returns:
        The snapshot that it was at; None where an earlier attempt removed it.

    Raises:
        ConfigurationError: There is none of this name, or it is the main branch.
        CommitError: It could not be committed.
    """
    kind = "tag" if tag else "branch"
    if name == MAIN:
        raise ConfigurationError(f"{MAIN} is what readers of the table get: it cannot be dropped")
    left: list[int] = []

    def plan(table: Table, again: bool) -> RefChange | None:
        found = table.metadata.refs.get(name)
        if found is None and again:
            return None
        if found is None or found.snapshot_ref_type != kind:
            names = [ref.name for ref in refs_of(table) if ref.is_tag == tag and ref.name != MAIN]
            raise ConfigurationError(
                f"{'.'.join(identifier)} has no {kind} {name}; it has {', '.join(names) or 'none'}"
            )
        left[:] = [found.snapshot_id]
        return RefChange((remove_ref(name),), tuple(ref_requirement(name, found.snapshot_id, table)))

    commit_refs(catalog, identifier, plan, f"drop the {kind} {name} of {'.'.join(identifier)}")
    return left[0] if left else None


def branch_head(table: Table, name: str) -> int:
    """The newest snapshot of a branch.

    Raises:
        ConfigurationError: There is no such branch.
    """
    ref = table.metadata.refs.get(name)
    if ref is None or ref.snapshot_ref_type != "branch":
        names = [each.name for each in refs_of(table) if not each.is_tag]
        raise ConfigurationError(f"{'.'.join(table.name())} has no branch {name}; it has {', '.join(names) or 'none'}")
    return ref.snapshot_id


def check_name(name: str, kind: str) -> None:
    """Check the name for a new branch or tag.

    Raises:
        ConfigurationError: It is not allowed.
    """
    if name == MAIN or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of a {kind}",
            remedy="Use letters, digits, `_`, `-` and `.`, with a letter or `_` first; `main` is the table itself",
        )


def _no_snapshot(table: Table, snapshot_id: int | None) -> ConfigurationError:
    name = ".".join(table.name())
    if snapshot_id is None:
        return ConfigurationError(f"{name} has no snapshot yet", remedy="Load a window first")
    return ConfigurationError(
        f"{name} has no snapshot {snapshot_id}",
        remedy=f"See those that it has: {shlex.join(['influx-lake', 'history', name, '--all'])}",
    )
