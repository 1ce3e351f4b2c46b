"""The key of a point: the columns that, with the time, identify a row."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Nanoseconds
from influx_lake.errors import DataRefused
from influx_lake.iceberg.columns.schema import decoded
from influx_lake.iceberg.target import TableTarget


@dataclass(frozen=True, slots=True)
class PointKey:
    """The columns of a table that identify its points.

    Attributes:
        columns: Those besides the time.
        time: The time column, in microseconds.
        nanoseconds: The column for nanoseconds, where the table has one; null in rows from before it had.
        tags: The tags that are not in `columns`: rows with the same key must not differ in them.
    """

    columns: tuple[str, ...]
    time: str
    nanoseconds: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every column of the key."""
        return (*self.columns, self.time, *((self.nanoseconds,) if self.nanoseconds else ()))

    def check_last(self, kept: pa.Table, dropped: pa.Table) -> None:
        """Check that dropped rows belong to the same points as the rows that are kept in their place.

        Raises:
            DataRefused: Points of the source with different tags have the same key.
        """
        for tag in self.tags:
            one, other = (decoded(rows.column(tag)) for rows in (dropped, kept))
            same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))
            place = pc.index(same, False).as_py()
            if place >= 0:
                moment = kept.column(self.time)[place].cast(pa.timestamp("us")).cast(pa.string()).as_py()
                key = ", ".join(f"{name}={_value(kept, name, place)}" for name in self.columns) or "no column"
                raise DataRefused(
                    f"write.key does not tell points of the source apart: at {moment.replace(' ', 'T')}Z those of "
                    f"{key} have {tag}={_value(dropped, tag, place)} and {tag}={_value(kept, tag, place)}, and one "
                    "of them would be lost",
                    remedy=f"Add {tag} to write.key, or leave write.key out: then it is the tags",
                )

    def text_of(self, columns: pa.Schema) -> tuple[str, ...]:
        """The string columns of the key, which Parquet files hold as dictionaries."""
        return tuple(
            name for name in self.columns if name in columns.names and pa.types.is_string(columns.field(name).type)
        )

    def encoded(self, columns: pa.Schema) -> pa.Schema:
        """A table's schema with the key's strings as dictionaries: a fraction of their size, and fast to compare."""
        kind, text = pa.dictionary(pa.int32(), pa.string()), self.text_of(columns)
        return pa.schema([column.with_type(kind) if column.name in text else column for column in columns])

    def below_microseconds(self, rows: pa.RecordBatch | pa.Table) -> pa.Array | None:
        """The nanoseconds of each row's time beyond its microseconds; None where no row can have any."""
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
        columns: The Arrow schema of the rows, as mapped to the table.

    Raises:
        DataRefused: The rows lack a column of the key.
    """
    missing = [name for name in target.key if name not in columns.names]
    if missing:
        raise DataRefused(
            f"the rows for {target.name} have no column {', '.join(missing)}, which identifies points",
            remedy="Name tags or fields of the measurement in write.key, or leave it out: then it is the tags",
        )
    kept = target.types.nanoseconds is Nanoseconds.KEEP and target.types.nanoseconds_column in columns.names
    tags = tuple(tag for tag in target.tags or () if tag not in target.key and tag in columns.names)
    return PointKey(target.key, target.time_column, target.types.nanoseconds_column if kept else None, tags)


def _value(rows: pa.Table, column: str, place: int) -> str:
    value = rows.column(column)[place].as_py()
    return "(none)" if value is None else repr(value)
