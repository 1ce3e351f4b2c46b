"""What tells the points of a table apart."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Nanoseconds
from influx_lake.errors import DataRefused
from influx_lake.iceberg.target import TableTarget


@dataclass(frozen=True, slots=True)
class PointKey:
    """The columns of a table that tell its points apart.

    Attributes:
        columns: Those that do at one and the same time.
        time: The column of time, in microseconds.
        nanoseconds: The column of whole times, where the table has one; null in rows from before it had.
    """

    columns: tuple[str, ...]
    time: str
    nanoseconds: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is needed."""
        return (*self.columns, self.time, *((self.nanoseconds,) if self.nanoseconds else ()))

    def text_of(self, columns: pa.Schema) -> tuple[str, ...]:
        """The columns that are text, which Parquet keeps as numbers already."""
        return tuple(
            name for name in self.columns if name in columns.names and pa.types.is_string(columns.field(name).type)
        )

    def encoded(self, columns: pa.Schema) -> pa.Schema:
        """The columns of a table with the text of the key as dictionaries: a fraction of its size, fast to compare."""
        kind, text = pa.dictionary(pa.int32(), pa.string()), self.text_of(columns)
        return pa.schema([column.with_type(kind) if column.name in text else column for column in columns])

    def below_microseconds(self, rows: pa.RecordBatch | pa.Table) -> pa.Array | None:
        """How many nanoseconds each row's time has beyond its microseconds; None where no row can have any."""
        if self.nanoseconds is None or self.nanoseconds not in rows.schema.names:
            return None
        whole = pc.multiply(
            rows.column(self.time).cast(pa.timestamp("us", rows.schema.field(self.time).type.tz)).cast(pa.int64()), 1000
        )
        return pc.fill_null(pc.subtract(rows.column(self.nanoseconds), whole), 0)


def point_key(target: TableTarget, columns: pa.Schema) -> PointKey:
    """The key of a table's points.

    Args:
        target: The table.
        columns: The columns of the rows, as the table has them.

    Raises:
        DataRefused: A column of the key does not come.
    """
    missing = [name for name in target.key if name not in columns.names]
    if missing:
        raise DataRefused(
            f"the rows for {target.name} have no column {', '.join(missing)}, by which points are told apart",
            remedy="Name tags or fields of the measurement in write.key, or leave it out: then it is the tags",
        )
    kept = target.types.nanoseconds is Nanoseconds.KEEP and target.types.nanoseconds_column in columns.names
    return PointKey(target.key, target.time_column, target.types.nanoseconds_column if kept else None)
