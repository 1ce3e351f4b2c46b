"""Whose table it is: rows of one source do not go among those of another unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from influx_lake.errors import ForeignTable
from influx_lake.iceberg.columns.known_columns import holds_rows
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import Provenance

if TYPE_CHECKING:
    from pyiceberg.table import Table

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def check_owner(table: Table, name: str, provenance: Provenance) -> None:
    """Make sure that a table may be written to.

    Raises:
        ForeignTable: It belongs to another source, or somebody else put rows into it.
    """
    owner = table_state(table).owner
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


def _place(source: str) -> str:
    """A source's identity, without the port where it is on this machine: a server there may get another each time."""
    parts = urlsplit(source)
    return f"{parts.scheme}://this machine{parts.path}" if parts.hostname in _THIS_MACHINE else source
