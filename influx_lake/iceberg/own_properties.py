"""Which properties of a table were written for it: tools that make a table anew copy the properties of the old one.

What a load writes in properties (field ids of columns, coverage, owner, tags) says nothing of a table that was made
with a copy of them. The table's UUID tells: Iceberg gives one to each table when it is made, and never changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

TABLE = "influx-lake.table-uuid"
"""The table property, written in the same commit as the others: the UUID of the table that they were written for."""
OURS = "influx-lake."
"""What the names of our properties begin with."""


def own_properties(metadata: TableMetadata) -> Mapping[str, str]:
    """The properties of a table, without those of ours where they are another table's."""
    said = metadata.properties
    return {name: text for name, text in said.items() if not name.startswith(OURS)} if is_copied(metadata) else said


def holds_ours(metadata: TableMetadata) -> bool:
    """Whether a load of ours was ever committed to this table."""
    return any(name.startswith(OURS) for name in own_properties(metadata))


def is_copied(metadata: TableMetadata) -> bool:
    """Whether a table was made with the properties of another one, and no load into it has written them since.

    Tables from before the UUID was kept do not tell.
    """
    return metadata.properties.get(TABLE, str(metadata.table_uuid)) != str(metadata.table_uuid)


def says_whose(metadata: TableMetadata) -> bool:
    """Whether a load into this table has written its properties, and its UUID with them."""
    return metadata.properties.get(TABLE) == str(metadata.table_uuid)


def naming_table(metadata: TableMetadata) -> dict[str, str]:
    """The property that says whose the others are; nothing where the table has it already."""
    return {} if says_whose(metadata) else {TABLE: str(metadata.table_uuid)}
