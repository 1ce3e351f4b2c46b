"""Numbers the series and columns of points in order of appearance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import count, repeat
from typing import TypeVar

from influx_lake.config.values.source_schema import ColumnType

K = TypeVar("K", bound=Hashable)

Tags = tuple[tuple[str, str], ...]
FieldName = tuple[str, ColumnType]
"""A field's name and the type of some of its values."""

TYPES = (ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.UINTEGER, ColumnType.BOOLEAN, ColumnType.STRING)
"""The types of fields; a type's index is its code."""
CODES = {kind: code for code, kind in enumerate(TYPES)}


@dataclass(frozen=True, slots=True)
class Context:
    """The database and retention policy of points, if their file names them."""

    database: str | None = None
    retention_policy: str | None = None


@dataclass(frozen=True, slots=True)
class MeasurementKey:
    """A measurement of a file."""

    context: Context
    name: str


@dataclass(frozen=True, slots=True)
class FieldKey:
    """A field of a measurement, with one type; a field with several types has several keys."""

    measurement: int
    name: str
    type: ColumnType


def numbering() -> defaultdict[K, int]:
    """A dictionary that numbers missing keys from zero on; with `map` it does so for many keys without Python code."""
    return defaultdict(count().__next__)


@dataclass(slots=True)
class Registry:
    """Numbers for measurements, series and fields.

    Attributes:
        measurements: The number of each measurement.
        series: The number of each series, by the number of its measurement and its tags.
        fields: The number of each field.
    """

    measurements: dict[MeasurementKey, int] = field(default_factory=dict)
    series: defaultdict[tuple[int, Tags], int] = field(default_factory=numbering)
    fields: dict[FieldKey, int] = field(default_factory=dict)

    def measurement(self, context: Context, name: str) -> int:
        """The number of a measurement."""
        return self.measurements.setdefault(MeasurementKey(context, name), len(self.measurements))

    def series_of(self, measurement: int, tags: Tags) -> int:
        """The number of a series, whose tags must be sorted by name."""
        return self.series[measurement, tags]

    def series_of_all(self, measurement: int, tags: Iterable[Tags]) -> list[int]:
        """The numbers of several series."""
        return list(map(self.series.__getitem__, zip(repeat(measurement), tags)))

    def field(self, measurement: int, name: str, code: int) -> int:
        """The number of a field."""
        return self.fields.setdefault(FieldKey(measurement, name, TYPES[code]), len(self.fields))

    def field_measurements(self) -> Iterable[int]:
        """The measurement of each field, in the order of the fields' numbers."""
        return (each.measurement for each in self.fields)
