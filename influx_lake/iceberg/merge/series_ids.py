"""Dictionary-encodes tag combinations as dense int64 ids."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow_maps import as_texts, is_map
from influx_lake.iceberg.columns.schema import plain_type
from influx_lake.iceberg.spill.sorted_int64_set import Numbers

_FEW = 2**20
"""Up to so many possible combinations in a batch, ids are looked up in an array."""


class SeriesIds:
    """Dense ids, from 0, of the combinations of values of some columns; null is a value too."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._values = [_ValueIds() for _ in columns]
        self._pairs = [_ValueIds() for _ in columns[1:]]

    def of(self, batch: pa.RecordBatch) -> Numbers:
        """The id of each row's combination."""
        if not self._columns:
            return np.zeros(len(batch), np.int64)
        encoded = [_encoded(batch.column(name)) for name in self._columns]
        indices = [column.indices.to_numpy().astype(np.int64, copy=False) for column in encoded]
        numbers = [known.of(column.dictionary) for known, column in zip(self._values, encoded, strict=True)]
        sizes = [len(found) for found in numbers]
        if math.prod(sizes) > _FEW or not len(batch):
            return self._combined([found[index] for found, index in zip(numbers, indices, strict=True)])
        combinations = np.ravel_multi_index(indices, sizes)
        there = np.zeros(math.prod(sizes), bool)
        there[combinations] = True
        distinct = np.flatnonzero(there)
        parts = np.unravel_index(distinct, sizes)
        series = np.zeros(len(there), np.int64)
        series[distinct] = self._combined([found[part] for found, part in zip(numbers, parts, strict=True)])
        found: Numbers = series[combinations]
        return found

    def _combined(self, columns: list[Numbers]) -> Numbers:
        series, *others = columns
        for column, pairs in zip(others, self._pairs, strict=True):
            series = pairs.of(pa.array(series << 32 | column))
        return series


class _ValueIds:
    """Dense ids of values, in the order in which they are first seen."""

    def __init__(self) -> None:
        self._known: pa.Array | None = None

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


def _encoded(values: pa.Array) -> pa.DictionaryArray:
    """The values as a dictionary and indices that are never null; text of any layout as one type."""
    if is_map(values.type):
        values = as_texts(values)
    if not pa.types.is_dictionary(values.type):
        return _plainly(pc.dictionary_encode(values, null_encoding="encode"))
    return _encoded(values.dictionary_decode()) if values.null_count else _plainly(values)


def _plainly(values: pa.DictionaryArray) -> pa.DictionaryArray:
    # A column that a file lacks is read as large text, and batches of one window are compared with each other.
    kind = plain_type(values.dictionary.type)
    if values.dictionary.type == kind:
        return values
    return pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(kind))
