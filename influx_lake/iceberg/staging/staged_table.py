"""A table, with the changes that a commit makes besides those of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.iceberg.columns.known_columns import as_known

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableRequirement, TableUpdate


@dataclass(frozen=True, slots=True)
class StagedTable:
    """A table, with the changes that are committed with files.

    Attributes:
        actual: The table as it is now.
        changed: The table after the changes.
        table: The same, under the names of lake.yaml, for writing files and planning.
        updates: The changes.
        requirements: What the table has to fulfil for them.
    """

    actual: Table
    changed: Table
    table: Table
    updates: tuple[TableUpdate, ...]
    requirements: tuple[TableRequirement, ...]

    @classmethod
    def unchanged(cls, table: Table) -> StagedTable:
        """A table whose columns and layout stay."""
        return StagedTable(table, table, as_known(table), (), layout_requirements(table.metadata))

    @property
    def properties(self) -> Mapping[str, str]:
        """Table properties that change with it."""
        return {}


def layout_requirements(metadata: TableMetadata) -> tuple[TableRequirement, ...]:
    """Requirements on the table's columns and partitions: other tools change them without a snapshot, so that a
    requirement on the snapshot would not notice.
    """
    from pyiceberg.table.update import AssertCurrentSchemaId, AssertDefaultSpecId, AssertLastAssignedFieldId

    return (
        AssertCurrentSchemaId.model_validate({"current-schema-id": metadata.current_schema_id}),
        AssertDefaultSpecId.model_validate({"default-spec-id": metadata.default_spec_id}),
        AssertLastAssignedFieldId.model_validate({"last-assigned-field-id": metadata.last_column_id}),
    )
