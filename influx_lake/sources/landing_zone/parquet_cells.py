"""Rows of landed Parquet as cells, column by column: what one record after the other would give, many times faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import LandingZoneConfig
from influx_lake.config.columns import TIME, ColumnType
from influx_lake.sources.landing_zone.records import NANOSECONDS
from influx_lake.sources.points.cells import SCHEMA, Mask, Numbers, Places, cells
from influx_lake.sources.points.registry import CODES, Context, Registry

_NO_TAG = 0
_FIELD_TYPES = {
    ColumnType.FLOAT: pa.float64(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.UINTEGER: pa.uint64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.STRING: pa.string(),
}


class _NotPlain(Exception):
    """Rows have to be looked at one by one: some are no points, or are not as their columns say."""


@dataclass(frozen=True, slots=True)
class ParquetCells:
    """Makes cells of batches of one measurement.

    Attributes:
        config: What the columns are.
        measurement: The measurement of all rows.
        kinds: The fields' types, as the file says them.
        registry: Numbers series and fields.
    """

    config: LandingZoneConfig
    measurement: str
    kinds: Mapping[str, ColumnType]
    registry: Registry

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        """The cells of a batch; None where its rows have to be looked at one by one."""
        try:
            return self._of(batch)
        except (_NotPlain, pa.ArrowException):
            return None

    def _of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if len(set(batch.schema.names)) < len(batch.schema.names):
            raise _NotPlain
        tags, fields = self._parts(batch)
        time, typed = self._time(batch), {name: self._field(name, values) for name, values in fields.items()}
        has_values = np.zeros(len(batch), np.bool_)
        for _, values in typed.values():
            has_values |= _valid(values)
        if not has_values.any():
            return pa.RecordBatch.from_pylist([], SCHEMA)
        measurement = self.registry.measurement(Context(), self.measurement)
        series = self._series(measurement, tags, has_values)
        return pa.concat_batches(list(self._cells(measurement, series, time, typed)))

    def _parts(self, batch: pa.RecordBatch) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
        declared = self.config.columns.get(self.measurement)
        tag_names = {*self.config.tags, *(declared.tags if declared else ())}
        own = {self.config.timestamp, self.config.measurement_column}
        columns = {
            field.name: values
            for field, values in zip(batch.schema, batch.columns, strict=True)
            if field.name not in own
        }
        if columns.keys() & {"tags", "fields", TIME}:
            raise _NotPlain
        tags = {name: values for name, values in sorted(columns.items()) if name in tag_names}
        return tags, {name: values for name, values in columns.items() if name not in tag_names}

    def _time(self, batch: pa.RecordBatch) -> Places:
        place = batch.schema.get_field_index(self.config.timestamp)
        if place < 0 or batch.column(place).null_count:
            raise _NotPlain
        column = batch.column(place)
        if pa.types.is_timestamp(column.type):
            return _numbers(column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()))
        if not pa.types.is_integer(column.type):
            raise _NotPlain
        unit = pa.scalar(NANOSECONDS[self.config.timestamp_units], pa.int64())
        return _numbers(pc.multiply_checked(column.cast(pa.int64()), unit))

    def _field(self, name: str, values: pa.Array) -> tuple[ColumnType, pa.Array]:
        """The type and the values of a field, as long as its values have that type without a closer look."""
        kind = self.kinds.get(name)
        declared = self.config.columns.get(self.measurement)
        if kind is None or pa.types.is_temporal(values.type) or (declared and declared.types.get(name) is not kind):
            raise _NotPlain
        return kind, values.cast(_FIELD_TYPES[kind])

    def _series(self, measurement: int, tags: Mapping[str, pa.Array], has_values: Mask) -> Numbers:
        """Each row's series; series are numbered in the order in which they come, those of rows without values not."""
        coded = {name: _TagCodes.of(values) for name, values in tags.items()}
        combined = np.zeros(len(has_values), np.int64)
        for tag in coded.values():
            # What was combined so far is numbered anew, so that it never outgrows the integers.
            combined = np.unique(combined, return_inverse=True)[1] * (len(tag.texts) + 1) + tag.codes
        wanted = np.flatnonzero(has_values)
        _, first, inverse = np.unique(combined[wanted], return_index=True, return_inverse=True)
        numbers = np.full(len(first), -1, np.int32)
        for place in np.argsort(first):
            row = wanted[first[place]]
            codes = ((name, tag.texts, tag.codes[row]) for name, tag in coded.items())
            key = tuple((name, texts[code]) for name, texts, code in codes if code != _NO_TAG)
            numbers[place] = self.registry.series_of(measurement, key)
        series = np.full(len(has_values), -1, np.int32)
        series[wanted] = numbers[inverse]
        return series

    def _cells(
        self, measurement: int, series: Numbers, time: Places, typed: Mapping[str, tuple[ColumnType, pa.Array]]
    ) -> Iterator[pa.RecordBatch]:
        for name, (kind, values) in typed.items():
            valid, there = _valid(values), values.drop_null()
            if not len(there):
                continue
            number, is_text = self.registry.field(measurement, name, CODES[kind]), kind is ColumnType.STRING
            yield cells(
                series[valid],
                np.full(len(there), number, np.int32),
                time[valid],
                np.zeros(len(there), np.int64) if is_text else _bits(there),
                there if is_text else pa.array([], pa.string()),
                np.full(len(there), is_text, np.bool_),
            )


@dataclass(frozen=True, slots=True)
class _TagCodes:
    """The values of a tag.

    Attributes:
        texts: The values, by their codes; there is none for `_NO_TAG`.
        codes: Each row's.
    """

    texts: list[str]
    codes: Places

    @classmethod
    def of(cls, values: pa.Array) -> Self:
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
            raise _NotPlain
        encoded = values.cast(pa.string()).dictionary_encode()
        texts = ["", *encoded.dictionary.to_pylist()]
        codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False) + 1
        if "" in texts[1:]:
            codes = np.where(codes == texts.index("", 1), _NO_TAG, codes)
        return cls(texts, codes)


def _valid(values: pa.Array) -> Mask:
    found: Mask = values.is_valid().to_numpy(zero_copy_only=False)
    return found


def _numbers(values: pa.Array) -> Places:
    found: Places = values.to_numpy(zero_copy_only=False)
    return found


def _bits(values: pa.Array) -> Places:
    numbers = values.to_numpy(zero_copy_only=False)
    found: Places = numbers.astype(np.int64) if numbers.dtype == np.bool_ else numbers.view(np.int64)
    return found
