"""A columnar batch of points, the common form of writing and comparing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points of one measurement.

    Attributes:
        times: Timestamps: int64, nanoseconds since 1970.
        tags: Tags by name: strings or dictionaries of strings, null where a point lacks the tag.
        fields: Fields as name and values of float64, int64, uint64, bool or strings (also dictionaries), null where a
            point lacks the field. A name may occur again with another type.
    """

    times: pa.Array
    tags: Mapping[str, pa.Array]
    fields: tuple[tuple[str, pa.Array], ...]

    def __len__(self) -> int:
        return len(self.times)

    def slice(self, begin: int, count: int) -> PointBatch:
        """A slice, without copying."""
        return PointBatch(
            self.times.slice(begin, count),
            {name: values.slice(begin, count) for name, values in self.tags.items()},
            tuple((name, values.slice(begin, count)) for name, values in self.fields),
        )

    def take(self, places: pa.Array) -> PointBatch:
        """The points at some indices."""
        return PointBatch(
            self.times.take(places),
            {name: values.take(places) for name, values in self.tags.items()},
            tuple((name, values.take(places)) for name, values in self.fields),
        )
