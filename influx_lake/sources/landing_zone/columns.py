"""Points in columns, converted to cells many times faster than one point at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cell_builder import TIMES
from influx_lake.sources.points.cells import Mask, Numbers, Places
from influx_lake.sources.points.registry import CODES, Context, Registry, Tags
from influx_lake.sources.points.staged_file import UnitWriter
from influx_lake.sources.points.wide_rows import are_mostly_there, as_cells, wide_rows

_NO_TAG = 0


class NotPlain(Exception):
    """Rows have to be parsed one by one: some are not points, or have other types than the column."""


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """The values of a field by row; they may be of several types.

    Attributes:
        values: The values of each type, in its Arrow type; null where there is none. A row has a value in at most one
            of them.
    """

    values: Mapping[ColumnType, pa.Array]

    @classmethod
    def of(cls, kind: ColumnType, values: pa.Array) -> Self:
        """Values of one type."""
        return cls({kind: values})

    def mark(self, rows: Mask) -> None:
        """Set the flags of the rows that have a value."""
        for values in self.values.values():
            if values.null_count:
                rows |= are_valid(values)
            else:
                rows[:] = True


@dataclass(frozen=True, slots=True)
class PointColumns:
    """The points of one measurement; a row without any value is not a point.

    Attributes:
        measurement: The measurement.
        time: Nanoseconds since 1970.
        tags: The tags, as strings or dictionaries with each string once; null or empty means missing.
        fields: The fields.
    """

    measurement: str
    time: Places
    tags: Mapping[str, pa.Array]
    fields: Mapping[str, FieldColumn]

    @property
    def empty(self) -> int:
        """How many rows have no value."""
        return int(len(self.time) - self.has_values.sum())

    @property
    def has_values(self) -> Mask:
        """Which rows have a value."""
        has_values = np.zeros(len(self.time), np.bool_)
        for column in self.fields.values():
            column.mark(has_values)
        return has_values

    def add_to(self, writer: UnitWriter) -> None:
        """Write the points to a unit: as rows, unless most of their fields have no value."""
        has_values = self.has_values
        if not has_values.any():
            return
        registry = writer.registry
        measurement = registry.measurement(Context(), self.measurement)
        series = self._series(registry, measurement, has_values)
        columns = {
            registry.field(measurement, name, CODES[kind]): values
            for name, column in self.fields.items()
            for kind, values in column.values.items()
            if values.null_count < len(values)
        }
        rows = wide_rows(series, self.time, columns)
        if not has_values.all():
            rows = rows.filter(pa.array(has_values))
        if are_mostly_there(len(rows), rows.columns[2:]):
            writer.add_rows(measurement, rows)
        else:
            kinds = [(each.name, each.type) for each in registry.fields]
            for batch in as_cells(pa.Table.from_batches([rows]), kinds).to_batches():
                writer.add(batch)

    def _series(self, registry: Registry, measurement: int, has_values: Mask) -> Numbers:
        """The series of each row; series are numbered in order of appearance, without those of rows without values."""
        coded = {name: _TagCodes.of(self.tags[name]) for name in sorted(self.tags)}
        combined = np.zeros(len(has_values), np.int64)
        for tag in coded.values():
            # Renumber the combinations so far, so that the codes never overflow.
            combined = np.unique(combined, return_inverse=True)[1] * (len(tag.texts) + 1) + tag.codes
        wanted = np.flatnonzero(has_values)
        _, first, inverse = np.unique(combined[wanted], return_index=True, return_inverse=True)
        order = np.argsort(first)
        numbers = np.full(len(first), -1, np.int32)
        numbers[order] = registry.series_of_all(measurement, _tags(coded, wanted[first[order]]))
        series = np.full(len(has_values), -1, np.int32)
        series[wanted] = numbers[inverse]
        return series


@dataclass(frozen=True, slots=True)
class _TagCodes:
    """The values of a tag.

    Attributes:
        texts: The values by code; the one of `_NO_TAG` means missing.
        codes: The code of each row.
    """

    texts: list[str]
    codes: Places

    @classmethod
    def of(cls, values: pa.Array) -> Self:
        encoded = values.dictionary_encode()
        texts = ["", *encoded.dictionary.to_pylist()]
        codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False) + 1
        if "" in texts[1:]:
            codes = np.where(codes == texts.index("", 1), _NO_TAG, codes)
        return cls(texts, codes)


def _tags(coded: Mapping[str, _TagCodes], rows: Places) -> Iterator[Tags]:
    """The tags of rows, in the given order of names, which is sorted."""
    pairs = [[(name, text) for text in tag.texts] for name, tag in coded.items()]
    codes = [tag.codes[rows].tolist() for tag in coded.values()]
    if not codes:
        return iter([()] * len(rows))
    columns = [[some[code] for code in each] for some, each in zip(pairs, codes, strict=True)]
    if all(_NO_TAG not in each for each in codes):
        return zip(*columns, strict=True)
    return (tuple(pair for pair in each if pair[1]) for each in zip(*columns, strict=True))


def are_valid(values: pa.Array) -> Mask:
    """A mask of the values that are not null."""
    found: Mask = values.is_valid().to_numpy(zero_copy_only=False)
    return found


def whole_numbers(values: pa.Array) -> Places:
    """64-bit integers, none of them null."""
    found: Places = values.to_numpy(zero_copy_only=False)
    return found


def checked_times(values: pa.Array) -> Places:
    """Times in nanoseconds, none of them null.

    Raises:
        NotPlain: One is out of range.
    """
    found = whole_numbers(values)
    if len(found) and (int(found.min()) not in TIMES or int(found.max()) not in TIMES):
        raise NotPlain
    return found
