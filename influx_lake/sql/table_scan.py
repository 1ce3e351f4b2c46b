"""A table as of a snapshot, as a DuckDB table function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.history.rollback import snapshot_at
from influx_lake.sql_quoting import text_literal

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from influx_lake.sql.table_files import Served

Moment = int | str | datetime
"""A point in a table's history: a snapshot id, a branch or tag, or a time."""


@dataclass(frozen=True)
class TableScan:
    """A table as of one of its snapshots.

    Attributes:
        table: The table, with its own column names.
        snapshot: The snapshot; None for the current one.
    """

    table: Table
    snapshot: Snapshot | None = None

    @classmethod
    def of(cls, table: Table, as_of: Moment | None = None) -> TableScan:
        """A table as of a point in its history.

        Raises:
            ConfigurationError: It had no snapshot then.
        """
        table = actual(table)
        return cls(table, None if as_of is None else snapshot_at(table, as_of))

    @property
    def schema(self) -> Schema:
        """The schema of the snapshot."""
        schema_id = self.snapshot.schema_id if self.snapshot is not None else None
        schemas = self.table.metadata.schemas
        found = next((each for each in schemas if schema_id is not None and each.schema_id == schema_id), None)
        return found or self.table.schema()

    def sql(self, served: Served) -> str:
        """The call of `iceberg_scan`: DuckDB prunes files by the bounds in manifests.

        Args:
            served: The location of its files on the connection.
        """
        options = "" if self.snapshot is None else f", snapshot_from_id => {self.snapshot.snapshot_id}"
        if self.table.metadata_location.endswith((".gz.metadata.json", ".metadata.json.gz")):
            options += ", metadata_compression_codec => 'gzip'"
        if served.is_moved:
            options += ", allow_moved_paths => true"
        return f"iceberg_scan({text_literal(served.metadata)}{options})"


def moment(value: datetime, *, is_zoned: bool) -> str:
    """A time as SQL literal; a time without zone is in UTC."""
    utc = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"TIMESTAMPTZ {text_literal(utc + '+00')}" if is_zoned else f"TIMESTAMP {text_literal(utc)}"
