"""A table, and what a commit changes in it besides its files."""

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
    """A table, and what changes in it with files.

    Attributes:
        actual: The table as it is.
        changed: The table as it is to be.
        table: The same, its columns called as lake.yaml knows them: what files are written for and plans are made on.
        updates: What changes.
        requirements: What the table must be like for that.
    """

    actual: Table
    changed: Table
    table: Table
    updates: tuple[TableUpdate, ...]
    requirements: tuple[TableRequirement, ...]

    @classmethod
    def unchanged(cls, table: Table) -> StagedTable:
        """A table that keeps its columns and its layout."""
        return StagedTable(table, table, as_known(table), (), layout_requirements(table.metadata))

    @property
    def properties(self) -> Mapping[str, str]:
        """Properties of the table that change with it."""
        return {}


def layout_requirements(metadata: TableMetadata) -> tuple[TableRequirement, ...]:
    """What the table must be like: a change of columns or partitions by others makes no snapshot, and would not be
    noticed.
    """
    from pyiceberg.table.update import AssertCurrentSchemaId, AssertDefaultSpecId, AssertLastAssignedFieldId

    return (
        AssertCurrentSchemaId.model_validate({"current-schema-id": metadata.current_schema_id}),
        AssertDefaultSpecId.model_validate({"default-spec-id": metadata.default_spec_id}),
        AssertLastAssignedFieldId.model_validate({"last-assigned-field-id": metadata.last_column_id}),
    )
