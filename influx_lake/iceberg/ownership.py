"""Whose table it is: rows of one source do not go among those of another unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from influx_lake.errors import ForeignTable
from influx_lake.iceberg.target import Provenance

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.owner"
"""The table property: the identity of the source whose rows the table holds."""
_SOURCE = "influx-lake.source"
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def check_owner(table: Table, name: str, provenance: Provenance) -> None:
    """Make sure that a table may be written to.

    Raises:
        ForeignTable: It belongs to another source, or somebody else put rows into it.
    """
    owner = owner_of(table)
    ours = {_place(source) for source in (provenance.source, *provenance.declared)}
    is_ours = not holds_rows(table) if owner is None else _place(owner) in ours
    if provenance.adopt or is_ours:
        return
    belongs = f"holds the rows of {owner}" if owner else "holds rows that were not loaded by influx-lake"
    raise ForeignTable(
        f"the table {name} {belongs}, and this load is of {provenance.source}; nothing was changed",
        remedy="Load it into another table (`table:` in lake.yaml), or make this table its own with `adopt: true` (for "
        "an asset of yours: in its metadata)",
    )


def claim(table: Table, provenance: Provenance) -> dict[str, str]:
    """The property that makes a table its source's; nothing where it is already."""
    claimed = table.metadata.properties.get(PROPERTY) == provenance.owner
    return {} if claimed else {PROPERTY: provenance.owner}


def owner_of(table: Table) -> str | None:
    """The source that a table belongs to: by its property, else by its latest load; None when none wrote to it."""
    stated = table.metadata.properties.get(PROPERTY)
    if stated is not None:
        return str(stated)
    summaries = (snapshot.summary for snapshot in reversed(table.metadata.snapshots) if snapshot.summary)
    sources = (summary.additional_properties.get(_SOURCE) for summary in summaries)
    return next((source for source in sources if source), None)


def _place(source: str) -> str:
    """A source's identity, without the port where it is on this machine: a server there may get another each time."""
    parts = urlsplit(source)
    return f"{parts.scheme}://this machine{parts.path}" if parts.hostname in _THIS_MACHINE else source


def holds_rows(table: Table) -> bool:
    """Whether there are rows in a table's current snapshot, as far as it says."""
    snapshot = table.current_snapshot()
    return snapshot is not None and (snapshot.summary is None or (snapshot.summary["total-records"] or "1") != "0")
