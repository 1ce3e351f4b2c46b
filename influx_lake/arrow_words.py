"""The values of Arrow arrays as 64-bit words, of which hashes of rows are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bits: TypeAlias = npt.NDArray[np.uint64]
HashTexts: TypeAlias = Callable[[pa.Array], tuple[Bits, ...]]
"""Makes one or several words of each of some values that have no fixed width; null may become anything."""

_HALF = np.uint64(32)
_WIDTHS: dict[int, type[np.unsignedinteger]] = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
_SIGNED: dict[int, type[np.signedinteger]] = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}


@dataclass(frozen=True, slots=True)
class Words:
    """A word of each value of a column.

    Attributes:
        values: The words, or the places of texts.
        texts: The words of these.
        absent: Which values are null.
    """

    values: npt.NDArray[np.integer]
    texts: Bits | None = None
    absent: npt.NDArray[np.bool_] | None = None

    def of(self, rows: slice) -> Bits:
        """Those of some rows; what null has means nothing."""
        values = self.values[rows]
        return values.astype(np.uint64, copy=False) if self.texts is None else self.texts.take(values)

    def put(self, rows: slice, out: Bits) -> None:
        """Put those of some rows into an array."""
        values = self.values[rows]
        if self.texts is None:
            np.copyto(out, values.astype(np.uint64, copy=False))
        else:
            # Every place is one of a text: nothing has to be checked, nor held twice.
            np.take(self.texts, values, out=out, mode="clip")


def words_of(values: pa.Array, hash_texts: HashTexts) -> Iterator[Words]:
    """The values of a column as a word each, or several where they are wider; those of a number are the same in each
    of the types that Iceberg may promote a column to.

    Args:
        values: The values.
        hash_texts: Makes words of what has no fixed width.
    """
    if pa.types.is_float32(values.type):
        values = values.cast(pa.float64())
    kind = values.type
    absent = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    if pa.types.is_dictionary(kind):
        places = (values.indices.fill_null(0) if values.null_count else values.indices).to_numpy()
        texts = hash_texts(values.dictionary)
        yield from (Words(places, each if len(each) else np.zeros(1, np.uint64), absent) for each in texts)
    elif pa.types.is_boolean(kind):
        yield Words(_buffer(values.fill_null(False).cast(pa.uint8()), np.uint8), None, absent)
    elif pa.types.is_decimal128(kind):
        pairs = _buffer(values, np.uint64, words=2).reshape(-1, 2)
        yield from (Words(np.ascontiguousarray(pairs[:, place]), None, absent) for place in range(2))
    elif pa.types.is_primitive(kind) and kind.bit_width in _WIDTHS:
        widths = _SIGNED if pa.types.is_signed_integer(kind) else _WIDTHS
        yield Words(_buffer(values, widths[kind.bit_width]), None, absent)
    else:
        yield from (Words(each, None, absent) for each in hash_texts(values))


def width_of(kind: pa.DataType) -> type[np.integer] | None:
    """What the values of a type are as words, where they are that already; None where they have to be made."""
    if not pa.types.is_primitive(kind) or pa.types.is_boolean(kind) or pa.types.is_float32(kind):
        return None
    return (_SIGNED if pa.types.is_signed_integer(kind) else _WIDTHS).get(kind.bit_width)


def fold(words: Bits, out: Bits) -> None:
    """The upper bits of words into the lower: a multiplication hands on nothing downwards."""
    np.right_shift(words, _HALF, out=out)
    np.bitwise_xor(out, words, out=out)


def _buffer(values: pa.Array, kind: type[np.integer], words: int = 1) -> npt.NDArray[np.integer]:
    if not len(values):
        return np.empty(0, kind)
    whole = np.frombuffer(values.buffers()[1], kind)
    return whole[values.offset * words : (values.offset + len(values)) * words]
