"""Ownership of tables: rows of one source are not mixed with those of another by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from influx_lake.config.tables.shared_tables import Share
from influx_lake.errors import ForeignTable
from influx_lake.iceberg.columns.known_columns import as_known, holds_rows, is_shared, share_of
from influx_lake.iceberg.own_properties import own_properties
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.shares import holds_rows_of, shares_in, sole_measurement
from influx_lake.iceberg.target import MEASUREMENT, Provenance, TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def check_owner(table: Table, target: TableTarget, provenance: Provenance) -> None:
    """Check that a load may write to a table, or to a measurement's share of it.

    Raises:
        ForeignTable: It belongs to another source or measurement, or another tool added rows to it.
    """
    _check_measurement(table, target)
    table = as_known(table, share=target.share)
    share = share_of(table)
    if share is None:
        _check_not_shared(table, target.name)
    elif not provenance.adopt:
        _check_may_be_shared(table, target.name, share)
    owner = table_state(table).owner
    ours = {_place(source) for source in (provenance.source, *provenance.declared)}
    is_ours = not holds_rows_of(table) if owner is None else _place(owner) in ours
    if provenance.adopt or is_ours:
        return
    of = f" of {share.value}" if share else ""
    belongs = f"holds the rows{of} of {owner}" if owner else f"holds rows{of} that were not loaded by influx-lake"
    raise ForeignTable(
        f"the table {target.name} {belongs}, and this load is of {provenance.source}; nothing was changed",
        remedy="Load it into another table (`table:` in lake.yaml), or make this table its own: `influx-lake adopt` "
        "checks its windows against the source first, `adopt: true` does not (for an asset of yours: in its metadata)",
    )


def _check_measurement(table: Table, target: TableTarget) -> None:
    """Refuse the table of another measurement, where the target states its measurement."""
    wanted, held = target.properties.get(MEASUREMENT), own_properties(table.metadata).get(MEASUREMENT)
    if None not in (wanted, held) and wanted != held and holds_rows(table):
        raise ForeignTable(
            f"the table {target.name} holds the rows of the measurement {held}, and this load is of {wanted}, which "
            "would replace them; nothing was changed",
            remedy="Load it into another table, or drop this one",
        )


def _check_not_shared(table: Table, name: str) -> None:
    if is_shared(table.metadata) and len(shares_in(table)) > 1:
        raise ForeignTable(
            f"the table {name} is shared by the measurements {', '.join(shares_in(table))}, and this load would take "
            "all of it; nothing was changed",
            remedy="Declare the column with its name, `metadata_columns: [measurement]`, or load into another "
            "table (`table:` in lake.yaml)",
        )


def _check_may_be_shared(table: Table, name: str, share: Share) -> None:
    """Refuse a table whose rows do not name their measurement: a load could not distinguish its own from them."""
    if not is_shared(table.metadata) and holds_rows(table) and sole_measurement(table, share.column) is None:
        raise ForeignTable(
            f"the table {name} holds rows that do not say in {share.column!r} which measurement they are of, so that "
            f"it cannot be shared; nothing was changed",
            remedy="Load into another table (`table:` in lake.yaml), or drop this one and load it again",
        )


def _place(source: str) -> str:
    """A source's identity, without the port on this machine, where a server may get another port at each start."""
    parts = urlsplit(source)
    return f"{parts.scheme}://this machine{parts.path}" if parts.hostname in _THIS_MACHINE else source
