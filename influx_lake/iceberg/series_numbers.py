"""Numbers for series: what tells points apart, in eight bytes a row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

UNKNOWN = -1


class SeriesNumbers:
    """Gives each combination of the values of some columns a number of its own; null is a value too.

    Args:
        columns: The columns.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._values = [_Numbers() for _ in columns]
        self._pairs = [_Numbers() for _ in columns[1:]]

    def of(self, batch: pa.RecordBatch, *, learn: bool) -> pa.Array:
        """The series of each row.

        Args:
            batch: Rows.
            learn: Give series that were not seen yet a number; else they are `UNKNOWN`.
        """
        if not self._columns:
            return pa.repeat(pa.scalar(0, pa.int64()), len(batch))
        first, *others = (
            numbers.of(batch.column(name), learn=learn)
            for name, numbers in zip(self._columns, self._values, strict=True)
        )
        series = first
        for column, pairs in zip(others, self._pairs, strict=True):
            known = pc.and_(pc.greater_equal(series, 0), pc.greater_equal(column, 0))
            pair = pc.bit_wise_or(pc.shift_left(series, 32), column)
            series = pairs.of(pc.if_else(known, pair, UNKNOWN), learn=learn)
        return series


class _Numbers:
    """Numbers for the values of one column, in the order in which they are met."""

    def __init__(self) -> None:
        self._known: pa.Array | None = None

    def of(self, values: pa.Array, *, learn: bool) -> pa.Array:
        if pa.types.is_dictionary(values.type):
            if values.null_count:
                return self.of(values.dictionary_decode(), learn=learn)
            return self.of(values.dictionary, learn=learn).take(values.indices)
        encoded = pc.dictionary_encode(values, null_encoding="encode")
        if self._known is None:
            self._known = encoded.dictionary.slice(0, 0)
        numbers = pc.index_in(encoded.dictionary, value_set=self._known)
        if learn and numbers.null_count:
            new = encoded.dictionary.filter(pc.is_null(numbers))
            self._known = pa.concat_arrays([self._known, new])
            numbers = pc.index_in(encoded.dictionary, value_set=self._known)
        return pc.fill_null(numbers.cast(pa.int64()), UNKNOWN).take(encoded.indices)
