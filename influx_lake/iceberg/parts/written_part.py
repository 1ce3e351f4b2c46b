"""Parts of a window that are written and not committed yet, by any process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.schema import plain_type

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.sorting import SortOrder

    from influx_lake.iceberg.columns.row_mapping import Shape


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The properties of a table that its data files depend on.

    Attributes:
        schema: The table's schema, under the names that loads know its columns by.
        spec: The partition spec.
        order: The sort order.
    """

    schema: Schema
    spec: PartitionSpec
    order: SortOrder

    @classmethod
    def of(cls, table: Table) -> TableLayout:
        """The layout of a table as it will be when the files are committed."""
        return cls(table.schema(), table.spec(), table.sort_order())

    def applied_to(self, table: Table) -> Table:
        """A view of a table with this layout, as it was when files were written for it."""
        from pyiceberg.table import Table as IcebergTable

        metadata = table.metadata.model_copy(
            update={
                "schemas": [self.schema],
                "current_schema_id": self.schema.schema_id,
                "partition_specs": [self.spec],
                "default_spec_id": self.spec.spec_id,
                "sort_orders": [self.order],
                "default_sort_order_id": self.order.order_id,
            }
        )
        return IcebergTable(table.name(), metadata, table.metadata_location, table.io, table.catalog, table.config)


@dataclass(frozen=True, slots=True)
class PartFiles:
    """Data files of one table.

    Attributes:
        rows: The number of rows that they hold.
        layout: The layout that they were written for.
        files: The files.
    """

    rows: int
    layout: TableLayout
    files: Sequence[DataFile]


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part of a window, written to data files of the table's layout, which a commit adds as they are.

    It holds all rows that the source has for the part. Adjacent parts are committed together as one window; see
    `WindowLoad.written`.

    Attributes:
        id: The unique id of the part.
        window: The part of the window.
        began: When reading its rows began: points written to the source later may be missing.
        columns: The Arrow schema of the source's rows.
        shape: A digest of the mapping of the rows to the table; see `shape_digest`.
        files: The rows that the table takes.
        quarantined: The rows for its quarantine; None where there are none.
        first_us: The first time of the rows that the table takes, in microseconds since 1970.
        last_us: The last time of these.
        preview: The first of these rows, at most ten.
        with_nanoseconds: Whether the rows have the column for nanoseconds.
        source_rows: The number of rows that the source counted before; None where it was not asked.
        confirmed: When it was last found to hold what the source has, by a later run; None: it was not.
    """

    id: str
    window: Window
    began: datetime
    columns: pa.Schema
    shape: str
    files: PartFiles
    quarantined: PartFiles | None = None
    first_us: int | None = None
    last_us: int | None = None
    preview: pa.Table = field(default_factory=lambda: pa.table({}))
    with_nanoseconds: bool = False
    source_rows: int | None = None
    confirmed: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """From when on points that are written to the source may be missing."""
        return self.confirmed or self.began

    @property
    def rows(self) -> int:
        """The number of its rows, including those for the quarantine."""
        return self.files.rows + (self.quarantined.rows if self.quarantined else 0)


def shape_digest(shape: Shape) -> str:
    """A digest that is equal where rows are mapped to the same columns of a table."""
    columns = [f"{each.name} {_plain(each.type)} {each.nullable}" for each in shape.schema]
    misfits = [(each.column, each.refused) for each in shape.misfits]
    return hashlib.sha256(f"{columns} {shape.sources} {misfits}".encode()).hexdigest()


def _plain(kind: pa.DataType) -> pa.DataType:
    # Whether strings are dictionary-encoded, and with which index type, may differ between queries.
    return plain_type(kind.value_type if pa.types.is_dictionary(kind) else kind)
