"""Points in columns, as cells: what one point after the other would give, many times faster."""

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
    """Rows have to be looked at one by one: some are no points, or are not as their columns say."""


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """The values of a field, row by row; they may be of several types.

    Attributes:
        values: The values of each type, in the Arrow type of that; null where there is none. A row has one in no more
            than one of them.
    """

    values: Mapping[ColumnType, pa.Array]

    @classmethod
    def of(cls, kind: ColumnType, values: pa.Array) -> Self:
        """Values of one type."""
        return cls({kind: values})

    def mark(self, rows: Mask) -> None:
        """Mark the rows that have one."""
        for values in self.values.values():
            if values.null_count:
                rows |= are_valid(values)
            else:
                rows[:] = True


@dataclass(frozen=True, slots=True)
class PointColumns:
    """The points of one measurement; a row without any value is none.

    Attributes:
        measurement: The measurement.
        time: Nanoseconds since 1970.
        tags: The tags, as texts or dictionaries with each text once; one that is null or empty is not there.
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
        """Have a unit take the points: as rows, unless most of their fields have no value."""
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
        """Each row's series; series are numbered in the order in which they come, those of rows without values not."""
        coded = {name: _TagCodes.of(self.tags[name]) for name in sorted(self.tags)}
        combined = np.zeros(len(has_values), np.int64)
        for tag in coded.values():
            # What was combined so far is numbered anew, so that it never outgrows the integers.
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
        texts: The values, by their codes; there is none for `_NO_TAG`.
        codes: Each row's.
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
    """The tags of rows, sorted by name as they are given."""
    pairs = [[(name, text) for text in tag.texts] for name, tag in coded.items()]
    codes = [tag.codes[rows].tolist() for tag in coded.values()]
    if not codes:
        return iter([()] * len(rows))
    columns = [[some[code] for code in each] for some, each in zip(pairs, codes, strict=True)]
    if all(_NO_TAG not in each for each in codes):
        return zip(*columns, strict=True)
    return (tuple(pair for pair in each if pair[1]) for each in zip(*columns, strict=True))


def are_valid(values: pa.Array) -> Mask:
    """Which values are not null."""
    found: Mask = values.is_valid().to_numpy(zero_copy_only=False)
    return found


def whole_numbers(values: pa.Array) -> Places:
    """Integers of 64 bits, none of them null."""
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
