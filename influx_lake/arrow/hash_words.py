"""Converts Arrow arrays to 64-bit words, the input of row hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bits: TypeAlias = npt.NDArray[np.uint64]
HashTexts: TypeAlias = Callable[[pa.Array], tuple[Bits, ...]]
"""Makes one or several words of each value without a fixed width; those of nulls do not matter."""

_HALF = np.uint64(32)
_WIDTHS: dict[int, type[np.unsignedinteger]] = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
_SIGNED: dict[int, type[np.signedinteger]] = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}


@dataclass(frozen=True, slots=True)
class Words:
    """One word for each value of a column.

    Attributes:
        values: The words, or indices into `texts`.
        texts: The words of a dictionary's strings.
        absent: Mask of the nulls.
    """

    values: npt.NDArray[np.integer]
    texts: Bits | None = None
    absent: npt.NDArray[np.bool_] | None = None

    def of(self, rows: slice) -> Bits:
        """The words of some rows; those of nulls are undefined."""
        values = self.values[rows]
        return values.astype(np.uint64, copy=False) if self.texts is None else self.texts.take(values)

    def put(self, rows: slice, out: Bits) -> None:
        """Write the words of some rows into an array."""
        values = self.values[rows]
        if self.texts is None:
            np.copyto(out, values.astype(np.uint64, copy=False))
        else:
            # Indices are valid, so no check or copy is needed.
            np.take(self.texts, values, out=out, mode="clip")


def words_of(values: pa.Array, hash_texts: HashTexts) -> Iterator[Words]:
    """The values of a column as words, several where a type is wider than 64 bits. A number has the same words in every
    type that Iceberg may promote its column to.

    Args:
        values: The values.
        hash_texts: Makes words of values without a fixed width.
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
    """The NumPy type of a type whose buffer can be viewed as words; None where words have to be computed."""
    if not pa.types.is_primitive(kind) or pa.types.is_boolean(kind) or pa.types.is_float32(kind):
        return None
    return (_SIGNED if pa.types.is_signed_integer(kind) else _WIDTHS).get(kind.bit_width)


def fold(words: Bits, out: Bits) -> None:
    """XOR the upper bits of words into the lower, since a multiplication carries nothing downwards."""
    np.right_shift(words, _HALF, out=out)
    np.bitwise_xor(out, words, out=out)


def _buffer(values: pa.Array, kind: type[np.integer], words: int = 1) -> npt.NDArray[np.integer]:
    if not len(values):
        return np.empty(0, kind)
    whole = np.frombuffer(values.buffers()[1], kind)
    return whole[values.offset * words : (values.offset + len(values)) * words]
