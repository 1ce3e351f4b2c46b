"""A table as its loads know it: under their names for its columns, whatever others call them now, and of a table that
holds several measurements only one's rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyiceberg.schema import Schema
from pyiceberg.table import Table

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.tables.table_properties import OF_COLUMNS


class KnownTable(Table):
    """A view of a table, to read and to write files with. Commits are for `actual`.

    Iceberg finds columns by their field ids: what is read or written under other names is the same.

    Args:
        actual: The table.
        names: The name of each of its columns, by field id.
        share: The rows of it that are looked at; None: all of them.

    Attributes:
        actual: The table.
        names: What its columns are called here, by their names in the table.
        share: The rows of it that are looked at; None: all of them.
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
        # A schema that is committed from here would rename the columns.
        raise TypeError("a view of a table cannot be changed: change the table itself, which is its `actual`")

    def _property(self, key: str) -> str:
        prefix = next((prefix for prefix in OF_COLUMNS if key.startswith(prefix)), None)
        return key if prefix is None else prefix + self.names.get(key.removeprefix(prefix), key.removeprefix(prefix))
