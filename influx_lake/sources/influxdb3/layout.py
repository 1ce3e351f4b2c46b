"""Validates result columns against the declared schema."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.influxdb3.declared_schema import Odd


class Layout:
    """The Arrow schema of a measurement's rows, and the conversion from the server's.

    Dictionaries of strings stay dictionaries, whatever their index type. Other encodings of the same values (large
    strings, string views, times of another unit) are cast; another type is an error, since the declared type decides.
    """

    def __init__(self, declared: MeasurementSchema, answered: pa.Schema, odd: Odd) -> None:
        names = [column.name for column in declared.columns]
        if answered.names != names:
            raise odd(f"the result has the columns {answered.names}, and the query is for {names}")
        fields = [_field(column, answered.field(place)) for place, column in enumerate(declared.columns)]
        wrong = [
            f"{column.name!r} is declared {column.type}, but is {answered.field(place).type}"
            for place, column in enumerate(declared.columns)
            if fields[place] is None
        ]
        if wrong:
            raise odd(f"the result does not match the declared columns: {'; '.join(wrong)}")
        self.schema = pa.schema([field for field in fields if field is not None])
        self._as_it_comes = self.schema.types == answered.types
        self._times = [place for place, field in enumerate(self.schema) if not field.nullable]
        self._odd = odd

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with this schema, without copying where the types are equal.

        Raises:
            UnexpectedAnswer: A value does not fit.
        """
        columns = batch.columns
        if any(columns[place].null_count for place in self._times):
            raise self._odd("rows have no time")
        if not self._as_it_comes:
            columns = [self._cast(column, kind) for column, kind in zip(columns, self.schema.types, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _cast(self, column: pa.Array, kind: pa.DataType) -> pa.Array:
        try:
            return pc.cast(column, kind)
        except pa.ArrowInvalid as error:
            raise self._odd(f"a value cannot be converted to {kind}: {error}") from error


def _field(column: Column, received: pa.Field) -> pa.Field | None:
    kind = ARROW_TYPES[column.type]
    if not _same_values(column.type, received.type):
        return None
    if pa.types.is_dictionary(received.type) and pa.types.is_string(received.type.value_type):
        kind = received.type
    return pa.field(column.name, kind, nullable=column.type is not ColumnType.TIME)


def _same_values(declared: ColumnType, received: pa.DataType) -> bool:
    if declared is ColumnType.STRING:
        values = received.value_type if pa.types.is_dictionary(received) else received
        return bool(pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values))
    if declared is ColumnType.TIME:
        return bool(pa.types.is_timestamp(received)) and received.tz in (None, "UTC", "+00:00")
    return bool(received == ARROW_TYPES[declared])
