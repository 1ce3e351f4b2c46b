"""Order-independent checksums of a window's columns, equal for equal values in source and table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.maps import as_texts
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.protocol import Source

SCALED_BITS = 62
"""Floats are multiplied by a power of two that brings the column's largest below 2^62, and truncated to integers. These
have the same sum in any order, which floats do not.
"""
_LOW_BITS = 32
_WIDE = {ColumnType.FLOAT: pa.float64(), ColumnType.INTEGER: pa.int64()}
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """The checksum of a column in a window.

    Attributes:
        count: How many values it has.
        low: The smallest; None if there is none, and for booleans.
        high: The largest.
        total: The sum: of numbers, of floats after scaling, of true values, of the bytes of strings, of the
            microseconds of times. Independent of the order.
    """

    count: int = 0
    low: Any = None
    high: Any = None
    total: int = 0


Profile = Mapping[str, ColumnProfile]
"""The columns of a window, by their names in the source."""


@runtime_checkable
class ProfilesWindows(Protocol):
    """A source that profiles many windows in one query."""

    def profiles(
        self, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
    ) -> list[Profile]:
        """The profile of each window; windows are sorted and do not overlap.

        Args:
            schema: The columns.
            windows: The windows.
            scales: The factor for each float column: powers of two.
        """
        ...


def profiles_of(
    source: Source, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
) -> list[Profile]:
    """The profile of each window: in one query if the source can, otherwise by reading its rows.

    Raises:
        SourceError: The source fails.
    """
    if not windows:
        return []
    if isinstance(source, ProfilesWindows):
        return source.profiles(schema, windows, scales)
    return read_profiles(source, schema, windows, scales)


def read_profiles(
    source: Source, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
) -> list[Profile]:
    """The profile of each window, by reading its rows."""
    profiles: list[Profile] = []
    for window in windows:
        profiler = RowProfiler(schema.columns, scales)
        with source.read(schema, window) as rows:
            for batch in rows:
                profiler.add(batch)
        profiles.append(profiler.profile())
    return profiles


def scale_for(largest: float) -> float:
    """The scale for a float column with a known largest magnitude."""
    if not largest or not math.isfinite(largest):
        return 1.0
    exponent = SCALED_BITS - math.frexp(largest)[1]
    return math.ldexp(1.0, max(-1022, min(exponent, 1023)))


@dataclass(slots=True)
class RowProfiler:
    """Profiles rows batch by batch.

    Attributes:
        columns: The columns, by their names in the batches.
        scales: The scales of the float columns.
    """

    columns: Sequence[Column]
    scales: Mapping[str, float]
    _found: dict[str, ColumnProfile] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch; a missing column has no values."""
        for column in self.columns:
            place = batch.schema.get_field_index(column.name)
            if place >= 0:
                added = self._of(column, batch.column(place))
                self._found[column.name] = _joined(self._found.get(column.name, ColumnProfile()), added)

    def profile(self) -> Profile:
        """The profile of the rows so far."""
        return {column.name: self._found.get(column.name, ColumnProfile()) for column in self.columns}

    def _of(self, column: Column, values: pa.Array) -> ColumnProfile:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        values = values.drop_null()
        if not len(values):
            return ColumnProfile()
        if column.type is ColumnType.MAP:
            values = as_texts(values)
        if column.type is ColumnType.BOOLEAN:
            return ColumnProfile(len(values), total=int(values.true_count))
        values = _comparable(values, column.type)
        if column.type is ColumnType.DECIMAL:
            digits = values.cast(pa.decimal128(38, values.type.scale))
            ends = pc.min_max(digits).as_py()
            total = int(pc.sum(digits).as_py().scaleb(values.type.scale, _EXACT))
            return ColumnProfile(len(values), ends["min"], ends["max"], total)
        ends = pc.min_max(values).as_py()
        return ColumnProfile(len(values), ends["min"], ends["max"], self._total(column, values))

    def _total(self, column: Column, values: pa.Array) -> int:
        if column.type in (ColumnType.STRING, ColumnType.MAP):
            return int(pc.sum(pc.binary_length(values)).as_py())
        if column.type is ColumnType.FLOAT:
            values = pc.multiply(values, self.scales.get(column.name, 1.0)).cast(pa.int64(), safe=False)
        one = pa.scalar(_LOW_BITS, values.type)
        high = pc.sum(pc.shift_right(values, one)).as_py()
        low = pc.sum(pc.bit_wise_and(values, pa.scalar(2**_LOW_BITS - 1, values.type))).as_py()
        return (int(high) << _LOW_BITS) + int(low)


def _joined(one: ColumnProfile, other: ColumnProfile) -> ColumnProfile:
    lows = [each for each in (one.low, other.low) if each is not None]
    highs = [each for each in (one.high, other.high) if each is not None]
    return ColumnProfile(
        one.count + other.count, min(lows, default=None), max(highs, default=None), one.total + other.total
    )


def _comparable(values: pa.Array, kind: ColumnType) -> pa.Array:
    """Convert values to the type in which profiles of their kind are computed."""
    if kind is ColumnType.TIME:
        return _microseconds(values)
    if kind is ColumnType.DATE:
        return values.cast(pa.int32()).cast(pa.int64())
    return values.cast(_WIDE[kind]) if kind in _WIDE else values


def _microseconds(times: pa.Array) -> pa.Array:
    """Whole microseconds since 1970, rounded down, as stored in every table."""
    import numpy as np

    whole = times.cast(pa.int64())
    if pa.types.is_timestamp(times.type) and times.type.unit == "us":
        return whole
    return pa.array(np.floor_divide(np.asarray(whole), 1000), pa.int64())
