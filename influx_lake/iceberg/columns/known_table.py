"""A view of a table as its loads know it: under their column names, whatever other tools renamed, and with one
measurement's rows where the table holds several.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyiceberg.schema import Schema
from pyiceberg.table import Table

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.tables.table_properties import OF_COLUMNS


class KnownTable(Table):
    """A view of a table, for reading and writing files. Commits are made on `actual`.

    Iceberg identifies columns by field id: files that are read or written under other names are the same.

    Args:
        actual: The table.
        names: The name of each of its columns, by field id.
        share: The rows that the view shows; None: all of them.

    Attributes:
        actual: The table.
        names: The names of its columns in the view, by their names in the table.
        share: The rows that the view shows; None: all of them.
    """

    def __init__(self, actual: Table, names: Mapping[int, str], share: Share | None = None) -> None:
        self.actual = actual
        self.share = share
        schema = actual.metadata.schema()
        self.names = {field.name: names[field.field_id] for field in schema.fields}
        named = Schema(
            *(field.model_copy(update={"name": names[field.field_id]}) for field in schema.fields),
            schema_id=schema.schema_id,
            identifier_field_ids=schema.identifier_field_ids,
        )
        schemas = [named if each.schema_id == schema.schema_id else each for each in actual.metadata.schemas]
        properties = {self._property(key): value for key, value in actual.metadata.properties.items()}
        metadata = actual.metadata.model_copy(update={"schemas": schemas, "properties": properties})
        super().__init__(actual.name(), metadata, actual.metadata_location, actual.io, actual.catalog, actual.config)

    def refresh(self) -> Table:
        """Load the table again, under its own names."""
        return self.actual.refresh()

    def _do_commit(self, *changes: object) -> None:  # noqa: ARG002 (called by pyiceberg)
        # Committing the schema of a view would rename the columns.
        raise TypeError("a view of a table cannot be changed: change the table itself, which is its `actual`")

    def _property(self, key: str) -> str:
        prefix = next((prefix for prefix in OF_COLUMNS if key.startswith(prefix)), None)
        return key if prefix is None else prefix + self.names.get(key.removeprefix(prefix), key.removeprefix(prefix))
