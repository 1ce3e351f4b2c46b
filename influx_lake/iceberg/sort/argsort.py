"""Argsort by several columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers: TypeAlias = npt.NDArray[np.int64]
MOST_STEPS = 2**63 - 1


def order_of(columns: Sequence[pa.Array], descending: Sequence[bool]) -> Numbers:
    """The indices that sort rows, stably; nulls are smaller than every value.

    Args:
        columns: The sort columns.
        descending: Which of them are descending.
    """
    packed = _packed(columns, descending)
    if packed is not None:
        # Rows have long sorted stretches: numpy's stable sort merges these, Arrow's compares row by row.
        return np.argsort(packed, kind="stable")
    names = list(map(str, range(len(columns))))
    keys = [
        (name, *(("descending", "at_end") if reverse else ("ascending", "at_start")))
        for name, reverse in zip(names, descending, strict=True)
    ]
    order = pc.sort_indices(pa.table(list(columns), names), options=pc.SortOptions(keys))
    return order.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def _packed(columns: Sequence[pa.Array], descending: Sequence[bool]) -> Numbers | None:
    """Pack the columns of each row into one integer with the same order; None where 63 bits do not suffice."""
    packed, steps = np.zeros(len(columns[0]), np.int64), 1
    for values, reverse in zip(columns, descending, strict=True):
        numbers = _numbers(values)
        if numbers is None:
            return None
        ends = pc.min_max(numbers)
        low, high = ends["min"].as_py() or 0, ends["max"].as_py() or 0
        steps *= high - low + 2
        if steps > MOST_STEPS:
            return None
        packed *= high - low + 2
        packed += _places(numbers, low, high, reverse=reverse)
    return packed


def _numbers(values: pa.Array) -> pa.Array | None:
    """Integers with the same order as the values; None for other types."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        return values.view(pa.int64())
    if pa.types.is_date32(kind):
        return values.view(pa.int32()).cast(pa.int64())
    return values.cast(pa.int64()) if pa.types.is_integer(kind) and not pa.types.is_uint64(kind) else None


def _places(numbers: pa.Array, low: int, high: int, *, reverse: bool) -> Numbers:
    """The distance of each value from the smallest one; one step is reserved for nulls."""
    plain: Numbers = numbers.fill_null(low).to_numpy() if numbers.null_count else numbers.to_numpy()
    places = high - plain if reverse else plain - low + 1
    if numbers.null_count:
        places[numbers.is_null().to_numpy(zero_copy_only=False)] = high - low + 1 if reverse else 0
    return places
