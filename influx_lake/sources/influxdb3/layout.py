"""Validates answered columns against the declared schema."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.influxdb3.declared_schema import Odd


class Layout:
    """The Arrow schema in which a measurement's rows are passed on, and the way there from what the server sends.

    A dictionary of strings stays one, whichever index the server chose. Other ways to write the same values (large
    strings, string views, times of another unit) are cast; another type is an error, for the declaration decides.
    """

    def __init__(self, declared: MeasurementSchema, answered: pa.Schema, odd: Odd) -> None:
        names = [column.name for column in declared.columns]
        if answered.names != names:
            raise odd(f"the rows have the columns {answered.names}, asked for were {names}")
        fields = [_field(column, answered.field(place)) for place, column in enumerate(declared.columns)]
        wrong = [
            f"{column.name!r} is declared {column.type}, but came as {answered.field(place).type}"
            for place, column in enumerate(declared.columns)
            if fields[place] is None
        ]
        if wrong:
            raise odd(f"the rows do not fit their declaration: {'; '.join(wrong)}")
        self.schema = pa.schema([field for field in fields if field is not None])
        self._as_it_comes = self.schema.types == answered.types
        self._times = [place for place, field in enumerate(self.schema) if not field.nullable]
        self._odd = odd

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch in this layout, without copying where the types are right.

        Raises:
            UnexpectedAnswer: It does not fit.
        """
        columns = batch.columns
        if any(columns[place].null_count for place in self._times):
            raise self._odd("there are rows without a time")
        if not self._as_it_comes:
            columns = [self._cast(column, kind) for column, kind in zip(columns, self.schema.types, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _cast(self, column: pa.Array, kind: pa.DataType) -> pa.Array:
        try:
            return pc.cast(column, kind)
        except pa.ArrowInvalid as error:
            raise self._odd(f"a value cannot be held as {kind}: {error}") from error


def _field(column: Column, came: pa.Field) -> pa.Field | None:
    kind = ARROW_TYPES[column.type]
    if not _same_values(column.type, came.type):
        return None
    if pa.types.is_dictionary(came.type) and pa.types.is_string(came.type.value_type):
        kind = came.type
    return pa.field(column.name, kind, nullable=column.type is not ColumnType.TIME)


def _same_values(declared: ColumnType, came: pa.DataType) -> bool:
    if declared is ColumnType.STRING:
        values = came.value_type if pa.types.is_dictionary(came) else came
        return bool(pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values))
    if declared is ColumnType.TIME:
        return bool(pa.types.is_timestamp(came)) and came.tz in (None, "UTC", "+00:00")
    return bool(came == ARROW_TYPES[declared])
