"""Tells which properties of a table were written for it: tools that recreate a table copy the old one's properties.

What loads record in properties (field ids of columns, coverage, owner, tags) does not hold for a table that was made
with a copy of them. The table's UUID distinguishes them: Iceberg assigns one to each new table, and never changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

TABLE = "influx-lake.table-uuid"
"""The table property, written in the same commit as ours: the UUID of the table that they were written for."""
OURS = "influx-lake."
"""The prefix of our properties."""


def own_properties(metadata: TableMetadata) -> Mapping[str, str]:
    """The properties of a table, without those of ours that were written for another table."""
    said = metadata.properties
    return {name: text for name, text in said.items() if not name.startswith(OURS)} if is_copied(metadata) else said


def holds_ours(metadata: TableMetadata) -> bool:
    """Whether a load of ours was ever committed to this table."""
    return any(name.startswith(OURS) for name in own_properties(metadata))


def is_copied(metadata: TableMetadata) -> bool:
    """Whether a table was made with the properties of another one, and no load into it has written them since.

    False for tables whose loads did not record the UUID yet.
    """
    return metadata.properties.get(TABLE, str(metadata.table_uuid)) != str(metadata.table_uuid)


def has_own_uuid(metadata: TableMetadata) -> bool:
    """Whether a load into this table has recorded its UUID."""
    return metadata.properties.get(TABLE) == str(metadata.table_uuid)


def uuid_property(metadata: TableMetadata) -> dict[str, str]:
    """The property with the table's UUID; empty where the table has it already."""
    return {} if has_own_uuid(metadata) else {TABLE: str(metadata.table_uuid)}
