"""Brings rows of source and lake into one form for comparison: key columns, value columns, floats by their bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.iceberg.columns.timestamps import floored
from influx_lake.replication.changed_values import as_in_source
from influx_lake.transforms.columns import arrow_type_of

Codes = npt.NDArray[np.int64]

TIME_KEY = "time, in microseconds"
_BELOW = "nanoseconds below"
_KEY = "key: "
_PLAIN = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.UINTEGER: pa.uint64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.STRING: pa.string(),
    ColumnType.DATE: pa.date32(),
}
_MOST = 2**62


@dataclass(frozen=True, slots=True)
class ComparableRows:
    """How rows of a measurement are compared.

    Rows are of the same point where time, in microseconds, and tags are equal. In the key an empty tag equals an absent
    one, as in InfluxDB; in values it does not.

    Attributes:
        columns: The columns, as loads write them.
        tags: The tags among them that the lake has.
        time: The column of the time.
        nanoseconds: Whether times are compared to the nanosecond.
    """

    columns: tuple[Column, ...]
    tags: tuple[str, ...]
    time: str
    nanoseconds: bool

    @classmethod
    def of(cls, schema: MeasurementSchema, held: Mapping[str, str], *, nanoseconds: bool) -> ComparableRows:
        """The comparison of a measurement's rows with those of a table.

        Args:
            schema: The columns of the table after a load.
            held: The columns that it has already, in a type for the source's values, with their names in it.
            nanoseconds: Whether the table keeps nanoseconds.
        """
        compared = tuple(column for column in schema.columns if column.is_compared and column.name != schema.time)
        tags = tuple(name for name in schema.tags if name in held)
        return cls(compared, tags, schema.time, nanoseconds)

    @property
    def key(self) -> list[str]:
        """The names of the key columns."""
        return [TIME_KEY, *(_KEY + name for name in self.tags)]

    @property
    def values(self) -> dict[str, str]:
        """The value columns, by their names in the comparable form, each with its name for people."""
        return {_BELOW: f"{self.time} (below a microsecond)"} | {column.name: column.name for column in self.columns}

    @property
    def schema(self) -> pa.Schema:
        """The schema of the comparable form."""
        fields = [(TIME_KEY, pa.timestamp("us")), *((_KEY + name, pa.string()) for name in self.tags)]
        return pa.schema([*fields, (_BELOW, pa.int64()), *((each.name, _kind(each)) for each in self.columns)])

    def keys_of(self, batch: pa.RecordBatch, name_of: Callable[[str], str] = str) -> pa.RecordBatch:
        """The key columns of rows.

        Args:
            batch: The rows.
            name_of: Maps a column of the comparable form to its name in the rows.
        """
        time = floored(self.time, batch.column(name_of(self.time)), kind=pa.timestamp("us"))
        tags = [_present(_text(batch.column(name_of(name)))) for name in self.tags]
        return pa.RecordBatch.from_arrays([time, *tags], names=self.key)

    def of_source(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The comparable form of the source's rows."""
        below = _below_microseconds(batch.column(self.time)) if self.nanoseconds else None
        return self._made(batch, below, {column.name: column.name for column in self.columns})

    def of_lake(self, batch: pa.RecordBatch, held: Mapping[str, str], nanoseconds_column: str | None) -> pa.RecordBatch:
        """The comparable form of the table's rows; a column that the table lacks is null.

        Args:
            batch: The rows.
            held: The names of columns in the table.
            nanoseconds_column: Its column of times in nanoseconds, where it has one.
        """
        below = None
        if self.nanoseconds and nanoseconds_column is not None:
            time = floored(self.time, batch.column(self.time), kind=pa.timestamp("us"))
            whole = pc.multiply(time.cast(pa.int64()), 1000)
            below = pc.fill_null(pc.subtract(batch.column(nanoseconds_column), whole), 0)
        return self._made(batch, below, held)

    def _made(self, batch: pa.RecordBatch, below: pa.Array | None, held: Mapping[str, str]) -> pa.RecordBatch:
        keys = self.keys_of(batch, lambda name: name if name == self.time else held[name])
        below = pa.array(np.zeros(len(batch), np.int64)) if below is None else below
        values = [
            _comparable(batch.column(held[column.name]), column)
            if column.name in held
            else pa.nulls(len(batch), _kind(column))
            for column in self.columns
        ]
        return pa.RecordBatch.from_arrays([*keys.columns, below, *values], schema=self.schema)


def codes(columns: Sequence[pa.ChunkedArray], within: Codes | None = None) -> Codes:
    """A dense number from 0 for each row, the same for equal rows only; null equals null.

    Args:
        columns: The columns of the rows.
        within: Numbers by which the rows differ already, to be refined.
    """
    rows = len(columns[0]) if columns else 0 if within is None else len(within)
    found = np.zeros(rows, np.int64) if within is None else within
    size = int(found.max(initial=0)) + 1
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        width = max(1, len(encoded.dictionary))
        if size > _MOST // width:
            found, size = _dense(found)
        found = found * width + np.asarray(encoded.indices, np.int64)
        size *= width
    return _dense(found)[0]


def exact(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values in a form in which floats are equal only where they are the same number."""
    if not pa.types.is_floating(values.type):
        return values
    return pa.chunked_array([_bits(chunk.cast(pa.float64())) for chunk in values.chunks], pa.int64())


def _dense(found: Codes) -> tuple[Codes, int]:
    known, dense = np.unique(found, return_inverse=True)
    return dense.reshape(-1).astype(np.int64), len(known)


def _kind(column: Column) -> pa.DataType:
    if column.type is ColumnType.DECIMAL:
        return pa.decimal128(38, arrow_type_of(column).scale)
    return _PLAIN.get(column.type, pa.int64())


def _comparable(values: pa.Array, column: Column) -> pa.Array:
    kind = _kind(column)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        if column.type is ColumnType.TIME:
            return floored(column.name, values, kind=pa.timestamp("us")).cast(pa.int64())
        values = as_in_source(values, column.type)
        return _bits(values) if column.type is ColumnType.FLOAT else values.cast(kind)
    except pa.ArrowInvalid:
        # Another tool wrote 0.5 where the source has integers.
        return pa.nulls(len(values), kind)


def _bits(values: pa.Array) -> pa.Array:
    """Floats as integers that are equal where the floats are; every NaN is the same."""
    values = pc.if_else(pc.is_nan(values), pa.scalar(float("nan")), values).cast(pa.float64())
    return values.view(pa.int64())


def _text(values: pa.Array) -> pa.Array:
    return (values.dictionary_decode() if pa.types.is_dictionary(values.type) else values).cast(pa.string())


def _present(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _below_microseconds(times: pa.Array) -> pa.Array:
    if times.type.unit != "ns":
        return pa.array(np.zeros(len(times), np.int64))
    return pa.array(np.mod(np.asarray(times.cast(pa.int64())), 1000), pa.int64())
