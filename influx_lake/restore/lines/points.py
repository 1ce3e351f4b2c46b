"""Points as columns: what is written as line protocol, and what is compared afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points of one measurement.

    Attributes:
        times: Their times: nanoseconds since 1970, int64.
        tags: Their tags by name: texts, or dictionaries of them; null where a point does not have it.
        fields: Their fields: the name of each, and its values as float64, int64, uint64, bool or texts (also as a
            dictionary of them), null where a point does not have it. A name may come again with values of another type.
    """

    times: pa.Array
    tags: Mapping[str, pa.Array]
    fields: tuple[tuple[str, pa.Array], ...]

    def __len__(self) -> int:
        return len(self.times)

    def slice(self, begin: int, count: int) -> PointBatch:
        """Some of them, without a copy."""
        return PointBatch(
            self.times.slice(begin, count),
            {name: values.slice(begin, count) for name, values in self.tags.items()},
            tuple((name, values.slice(begin, count)) for name, values in self.fields),
        )

    def take(self, places: pa.Array) -> PointBatch:
        """The points of some places."""
        return PointBatch(
            self.times.take(places),
            {name: values.take(places) for name, values in self.tags.items()},
            tuple((name, values.take(places)) for name, values in self.fields),
        )
