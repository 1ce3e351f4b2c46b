"""The series and columns of points, numbered as they are met."""

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
"""The types of fields; a type's place here is its code."""
CODES = {kind: code for code, kind in enumerate(TYPES)}


@dataclass(frozen=True, slots=True)
class Context:
    """Which database and retention policy points belong to, where their file says so."""

    database: str | None = None
    retention_policy: str | None = None


@dataclass(frozen=True, slots=True)
class MeasurementKey:
    """A measurement of a file."""

    context: Context
    name: str


@dataclass(frozen=True, slots=True)
class FieldKey:
    """A field of a measurement, of one type: a field that has several is several of these."""

    measurement: int
    name: str
    type: ColumnType


def numbering() -> defaultdict[K, int]:
    """Numbers what is looked up in it, from zero on, as it is met; `map` does so for many without a step in Python."""
    return defaultdict(count().__next__)


@dataclass(slots=True)
class Registry:
    """Numbers for measurements, series and fields.

    Attributes:
        measurements: Each measurement's number.
        series: Each series' number, by its measurement's and its tags.
        fields: Each field's number.
    """

    measurements: dict[MeasurementKey, int] = field(default_factory=dict)
    series: defaultdict[tuple[int, Tags], int] = field(default_factory=numbering)
    fields: dict[FieldKey, int] = field(default_factory=dict)

    def measurement(self, context: Context, name: str) -> int:
        """The number of a measurement."""
        return self.measurements.setdefault(MeasurementKey(context, name), len(self.measurements))

    def series_of(self, measurement: int, tags: Tags) -> int:
        """The number of a series, whose tags are sorted by name."""
        return self.series[measurement, tags]

    def series_of_all(self, measurement: int, tags: Iterable[Tags]) -> list[int]:
        """The numbers of several series."""
        return list(map(self.series.__getitem__, zip(repeat(measurement), tags)))

    def field(self, measurement: int, name: str, code: int) -> int:
        """The number of a field."""
        return self.fields.setdefault(FieldKey(measurement, name, TYPES[code]), len(self.fields))

    def field_measurements(self) -> Iterable[int]:
        """The measurement of each field, by the fields' numbers."""
        return (each.measurement for each in self.fields)
