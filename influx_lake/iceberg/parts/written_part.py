"""What was written of a part of a window and is not committed: by this process or by any other."""

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
    """What data files depend on that are written for a table.

    Attributes:
        schema: Its columns, under the names that loads know them by.
        spec: Its partitions.
        order: Its sort order.
    """

    schema: Schema
    spec: PartitionSpec
    order: SortOrder

    @classmethod
    def of(cls, table: Table) -> TableLayout:
        """That of a table as it is to be when the files are committed."""
        return cls(table.schema(), table.spec(), table.sort_order())

    def applied_to(self, table: Table) -> Table:
        """A table as it was when files of this layout were written for it."""
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
        rows: How many rows they hold.
        layout: What they were written for.
        files: The files.
    """

    rows: int
    layout: TableLayout
    files: Sequence[DataFile]


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part of a window, written into data files of the table's layout; a commit adds them as they are.

    It holds all rows that the source has for the part. Those of several parts that touch are committed as one window;
    see `WindowLoad.written`.

    Attributes:
        id: Tells it from every other that was ever written.
        window: The part of the window.
        began: When its rows began to be read: points that came later may be missing.
        columns: The columns of the rows as they came.
        shape: A digest of how they became columns of the table; see `shape_digest`.
        files: The rows that the table takes.
        quarantined: Those that it does not take, for its quarantine; None where there is none.
        first_us: The first time among the former, in microseconds since 1970.
        last_us: The last one.
        preview: The first rows, ten at most.
        with_nanoseconds: Whether the rows were given the column for whole times.
        source_rows: How many rows the source counted before they were read; None where it was not asked.
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

    @property
    def rows(self) -> int:
        """How many rows it holds, those for the quarantine too."""
        return self.files.rows + (self.quarantined.rows if self.quarantined else 0)


def shape_digest(shape: Shape) -> str:
    """A text that is the same where rows become the same columns of a table."""
    columns = [f"{each.name} {_plain(each.type)} {each.nullable}" for each in shape.schema]
    misfits = [(each.column, each.refused) for each in shape.misfits]
    return hashlib.sha256(f"{columns} {shape.sources} {misfits}".encode()).hexdigest()


def _plain(kind: pa.DataType) -> pa.DataType:
    # Whether text comes as a dictionary, and with which index, may differ from query to query.
    return plain_type(kind.value_type if pa.types.is_dictionary(kind) else kind)
