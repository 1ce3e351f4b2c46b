"""The rows that were erased from a table, recorded in the table: loads leave them out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import utc_text
from influx_lake.errors import CommitConflict
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.own_properties import own_properties

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

PROPERTY = "influx-lake.erased"
"""The table property: a JSON list, written in the commit that erases the rows."""
_OF = "measurement"


def erased_from(table: Table | None) -> tuple[ErasedRows, ...]:
    """The rows that were erased from a table; of a shared table, those of the viewed measurement."""
    if table is None:
        return ()
    share = share_of(table)
    return tuple(
        ErasedRows.model_validate({name: value for name, value in each.items() if name != _OF})
        for each in _stated(table.metadata)
        if share is None or each.get(_OF) in (None, share.value)
    )


def recording(metadata: TableMetadata, rows: ErasedRows, share: Share | None) -> dict[str, str]:
    """The property with more erased rows; empty where it has them already."""
    entry = {
        "where": rows.where,
        "start": utc_text(rows.start) if rows.start else None,
        "end": utc_text(rows.end) if rows.end else None,
        _OF: share.value if share else None,
    }
    entry = {name: text for name, text in entry.items() if text is not None}
    there = _stated(metadata)
    return {} if entry in there else {PROPERTY: json.dumps([*there, entry], ensure_ascii=False)}


def check_left_out(table: Table, left_out: Sequence[ErasedRows] | None) -> None:
    """Check that a load has left out all rows that were erased from its table.

    Args:
        table: The table as it is now, with the viewed rows.
        left_out: The rows that the load left out; None where this is unknown.

    Raises:
        CommitConflict: Rows were erased while the source was read.
    """
    if left_out is not None and not set(erased_from(table)) <= set(left_out):
        raise CommitConflict(
            f"rows of {'.'.join(table.name())} were erased while the window was read, and may be among those read",
            remedy="Run the window again",
        )


def _stated(metadata: TableMetadata) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(own_properties(metadata).get(PROPERTY) or "[]")
    return found
