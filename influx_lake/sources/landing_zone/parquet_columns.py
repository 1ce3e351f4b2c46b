"""Rows of landed Parquet as columns of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.texts import are_texts
from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.landing_zone.columns import FieldColumn, NotPlain, PointColumns, checked_times
from influx_lake.sources.landing_zone.records import NANOSECONDS
from influx_lake.sources.points.cells import Places


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """Converts batches of one measurement to points.

    Attributes:
        config: The options of the columns.
        measurement: The measurement of all rows.
        kinds: The fields' types, as declared by the file.
    """

    config: LandingZoneConfig
    measurement: str
    kinds: Mapping[str, ColumnType]

    def of(self, batch: pa.RecordBatch) -> PointColumns | None:
        """The points of a batch; None if its rows have to be parsed one by one."""
        try:
            return self._of(batch)
        except (NotPlain, pa.ArrowException):
            return None

    def _of(self, batch: pa.RecordBatch) -> PointColumns:
        if len(set(batch.schema.names)) < len(batch.schema.names) or not all(map(are_texts, batch.columns)):
            raise NotPlain
        tags, fields = self._parts(batch)
        return PointColumns(
            self.measurement,
            self._time(batch),
            {name: _tag(values) for name, values in tags.items()},
            {name: self._field(name, values) for name, values in fields.items()},
        )

    def _parts(self, batch: pa.RecordBatch) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
        declared = self.config.columns.get(self.measurement)
        tag_names = {*self.config.tags, *(declared.tags if declared else ())}
        own = {self.config.timestamp, self.config.measurement_column}
        columns = {
            field.name: values
            for field, values in zip(batch.schema, batch.columns, strict=True)
            if field.name not in own
        }
        if columns.keys() & {"tags", "fields", TIME, ""}:
            raise NotPlain
        place = batch.schema.get_field_index(self.config.measurement_column)
        if place >= 0 and self._names_another(batch.column(place)):
            raise NotPlain
        tags = {name: values for name, values in columns.items() if name in tag_names}
        return tags, {name: values for name, values in columns.items() if name not in tag_names}

    def _names_another(self, names: pa.Array) -> bool:
        """Whether a row may name another measurement than the path does."""
        if not pa.types.is_string(names.type):
            return bool(names.null_count < len(names))
        return pc.any(pc.not_equal(names, self.measurement)).as_py() is True

    def _time(self, batch: pa.RecordBatch) -> Places:
        place = batch.schema.get_field_index(self.config.timestamp)
        if place < 0 or batch.column(place).null_count:
            raise NotPlain
        column = batch.column(place)
        if pa.types.is_timestamp(column.type):
            return checked_times(column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()))
        if not pa.types.is_integer(column.type):
            raise NotPlain
        unit = pa.scalar(NANOSECONDS[self.config.timestamp_units], pa.int64())
        return checked_times(pc.multiply_checked(column.cast(pa.int64()), unit))

    def _field(self, name: str, values: pa.Array) -> FieldColumn:
        """The values of a field, if they have its type without a closer look."""
        kind = self.kinds.get(name)
        declared = self.config.columns.get(self.measurement)
        if kind is None or pa.types.is_temporal(values.type) or (declared and declared.types.get(name) is not kind):
            raise NotPlain
        return FieldColumn.of(kind, values.cast(ARROW_TYPES[kind]))


def _tag(values: pa.Array) -> pa.Array:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        raise NotPlain
    if pa.types.is_dictionary(values.type) and pa.types.is_string(kind) and _tells_apart(values.dictionary):
        return values
    return values.cast(pa.string())


def _tells_apart(words: pa.Array) -> bool:
    """Whether all strings in a dictionary are different."""
    return bool(not words.null_count and len(words.unique()) == len(words))
