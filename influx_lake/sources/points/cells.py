"""The values of points, one row for each field of each point."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Places: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]

SCHEMA = pa.schema(
    [
        pa.field("series", pa.int32(), nullable=False),
        pa.field("field", pa.int32(), nullable=False),
        pa.field("time", pa.int64(), nullable=False),
        pa.field("bits", pa.int64(), nullable=False),
        pa.field("text", pa.string()),
    ]
)
"""The numbers of series and field, nanoseconds since 1970, and the value: its 64 bits (0 or 1 for a boolean), or the
string.

Rows are in the order in which they were read: of two values of one field of one point the later one wins.
"""


def no_cells() -> pa.RecordBatch:
    """No rows of `SCHEMA`."""
    return pa.RecordBatch.from_pylist([], SCHEMA)


def cells(
    series: Numbers, field: Numbers, time: Places, bits: Places, texts: pa.Array, is_text: Mask
) -> pa.RecordBatch:
    """Rows of `SCHEMA`.

    Args:
        series: The number of each row's series.
        field: The number of its field, which also determines the value's type.
        time: Nanoseconds since 1970.
        bits: Its value, unless that is a string.
        texts: The values of the rows with strings, in order.
        is_text: The mask of these rows.
    """
    if len(texts):
        places = pa.array(np.cumsum(is_text) - 1, mask=~is_text)
        text = texts.take(places).cast(pa.string())
    else:
        text = pa.nulls(len(time), pa.string())
    return pa.record_batch([*map(pa.array, (series, field, time, bits)), text], schema=SCHEMA)
