"""Converts points that come one at a time to cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Any

import pyarrow as pa

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cells import SCHEMA
from influx_lake.sources.points.registry import CODES, Context, Registry, Tags

INT64 = range(-(2**63), 2**63)
UINT64 = range(2**64)
TIMES = range(-(2**63) + 2, 2**63 - 1)
"""The valid times, in nanoseconds since 1970: from 1677 to 2262, without the values that InfluxDB reserves
(`models/time.go`: MinNanoTime, MaxNanoTime).
"""
_AS_FLOAT, _AS_SIGNED, _AS_UNSIGNED = Struct("<d"), Struct("<q"), Struct("<Q")


class BadPoint(Exception):
    """A record is not a point; the text tells why."""


@dataclass(frozen=True, slots=True)
class FoundPoint:
    """A point that was parsed.

    Attributes:
        measurement: Its measurement.
        tags: Its tags, sorted by name.
        fields: Its fields' types and values.
        time: Nanoseconds since 1970.
    """

    measurement: str
    tags: Tags
    fields: dict[str, tuple[ColumnType, Any]]
    time: int


@dataclass(slots=True)
class CellsBuilder:
    """Collects points.

    Attributes:
        registry: Numbers their series and fields.
    """

    registry: Registry
    _columns: tuple[list[Any], ...] = field(default_factory=lambda: tuple([] for _ in SCHEMA))

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, point: FoundPoint) -> None:
        """Add a point."""
        measurement = self.registry.measurement(Context(), point.measurement)
        series = self.registry.series_of(measurement, point.tags)
        serieses, fields, times, bits, texts = self._columns
        for name, (kind, value) in point.fields.items():
            serieses.append(series)
            fields.append(self.registry.field(measurement, name, CODES[kind]))
            times.append(point.time)
            bits.append(value_bits(kind, value))
            texts.append(value if kind is ColumnType.STRING else None)

    def taken(self) -> pa.RecordBatch:
        """Remove and return the cells so far."""
        batch = pa.record_batch(list(self._columns), schema=SCHEMA)
        for column in self._columns:
            column.clear()
        return batch


def value_bits(kind: ColumnType, value: Any) -> int:
    """The 64 bits of a number or boolean, as a signed integer; 0 for a string."""
    if kind is ColumnType.STRING:
        return 0
    if kind is ColumnType.FLOAT:
        packed = _AS_FLOAT.pack(value)
    else:
        packed = (_AS_UNSIGNED if kind is ColumnType.UINTEGER else _AS_SIGNED).pack(value)
    return int(_AS_SIGNED.unpack(packed)[0])
