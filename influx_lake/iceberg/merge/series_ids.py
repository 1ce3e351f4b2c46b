"""Dictionary-encodes tag combinations as dense int64 ids."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.maps import as_texts, is_map
from influx_lake.iceberg.columns.schema import plain_type
from influx_lake.iceberg.spill.sorted_int64_set import Numbers

_FEW = 2**20
"""Up to this many possible combinations in a batch, ids are looked up in an array."""
_STREAMS = 2
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class _Combinations:
    """Dictionaries of the columns, with what is known of them.

    Attributes:
        dictionaries: The dictionaries.
        numbers: The ids of their values.
        sizes: The numbers of their values.
        series: The id of each combination seen so far, by the indices of its values; None where too many are possible.
    """

    dictionaries: list[pa.Array]
    numbers: list[Numbers]
    sizes: list[int]
    series: Numbers | None


class SeriesIds:
    """Assigns dense ids, from 0, to the combinations of values of some columns; null is a value too."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._values = [_ValueIds() for _ in columns]
        self._pairs = [_ValueIds() for _ in columns[1:]]
        self._recent: list[_Combinations] = []

    @property
    def count(self) -> int:
        """How many combinations have ids."""
        return (self._pairs or self._values)[-1].count if self._columns else 1

    def of(self, batch: pa.RecordBatch) -> Numbers:
        """The id of each row's combination."""
        if not self._columns:
            return np.zeros(len(batch), np.int64)
        encoded = [_encoded(batch.column(name)) for name in self._columns]
        indices = [column.indices.to_numpy() for column in encoded]
        known = self._known([column.dictionary for column in encoded])
        if known.series is None or not len(batch):
            return self._combined([found[index] for found, index in zip(known.numbers, indices, strict=True)])
        combinations = indices[0].astype(np.int64)
        for index, size in zip(indices[1:], known.sizes[1:], strict=True):
            combinations *= size
            combinations += index
        series: Numbers = known.series[combinations]
        if series.min() == _UNKNOWN:
            there = np.zeros(len(known.series), bool)
            there[combinations[series == _UNKNOWN]] = True
            distinct = np.flatnonzero(there)
            parts = np.unravel_index(distinct, known.sizes)
            known.series[distinct] = self._combined(
                [found[part] for found, part in zip(known.numbers, parts, strict=True)]
            )
            series = known.series[combinations]
        return series

    def _known(self, dictionaries: list[pa.Array]) -> _Combinations:
        """Look up dictionaries: batches of a stream often share theirs, and two streams are read in turns."""
        for known in self._recent:
            if all(map(_are_alike, known.dictionaries, dictionaries)):
                return known
        numbers = [values.of(dictionary) for values, dictionary in zip(self._values, dictionaries, strict=True)]
        sizes = [len(found) for found in numbers]
        series = np.full(math.prod(sizes), _UNKNOWN, np.int64) if math.prod(sizes) <= _FEW else None
        self._recent = [_Combinations(dictionaries, numbers, sizes, series), *self._recent[: _STREAMS - 1]]
        return self._recent[0]

    def _combined(self, columns: list[Numbers]) -> Numbers:
        series, *others = columns
        for column, pairs in zip(others, self._pairs, strict=True):
            series = pairs.of(pa.array(series << 32 | column))
        return series


class _ValueIds:
    """Assigns dense ids to values, in the order of their first appearance."""

    def __init__(self) -> None:
        self._known: pa.Array | None = None

    @property
    def count(self) -> int:
        return 0 if self._known is None else len(self._known)

    def of(self, values: pa.Array) -> Numbers:
        encoded = pc.dictionary_encode(values, null_encoding="encode")
        if self._known is None:
            self._known = encoded.dictionary.slice(0, 0)
        numbers = pc.index_in(encoded.dictionary, value_set=self._known)
        if numbers.null_count:
            new = encoded.dictionary.filter(pc.is_null(numbers))
            self._known = pa.concat_arrays([self._known, new])
            numbers = pc.index_in(encoded.dictionary, value_set=self._known)
        found: Numbers = numbers.cast(pa.int64()).take(encoded.indices).to_numpy()
        return found


def _are_alike(one: pa.Array, other: pa.Array) -> bool:
    """Whether two dictionaries certainly have the same values; False for floats, where Arrow takes -0.0 for 0.0."""
    return one.type == other.type and not pa.types.is_floating(one.type) and bool(one.equals(other))


def _encoded(values: pa.Array) -> pa.DictionaryArray:
    """Encode values as a dictionary with indices that are never null; strings of any layout as one type."""
    if is_map(values.type):
        values = as_texts(values)
    if not pa.types.is_dictionary(values.type):
        return _plainly(pc.dictionary_encode(values, null_encoding="encode"))
    return _encoded(values.dictionary_decode()) if values.null_count else _plainly(values)


def _plainly(values: pa.DictionaryArray) -> pa.DictionaryArray:
    # A column that a file lacks is read as large_string, and batches of a window are compared with each other.
    kind = plain_type(values.dictionary.type)
    if values.dictionary.type == kind:
        return values
    return pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(kind))
