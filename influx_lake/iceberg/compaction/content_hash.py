"""A hash of rows that does not depend on their order, to prove that files hold the same rows as others.

Each row is hashed by all of its columns, and the hashes of rows are added up. A row that is missing, there twice or
altered changes the sum, and so does a value that changed places with that of another row. The hash is keyed anew each
time, and compared only with others of the same keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bits: TypeAlias = npt.NDArray[np.uint64]
CHUNK_ROWS = 8_192
"""How many rows are hashed at once: what is computed for them stays in the processor's cache."""
_HALF, _MIX = np.uint64(32), np.uint64(0x9E3779B97F4A7C15)
_MOST_LANES = 2
"""How many times 64 bits a value has at most: a decimal."""
_ABSENT = np.uint64(0x5851F42D4C957F2D)


class ContentHash:
    """Hashes rows of some columns; two hashes are compared that one of these made.

    Args:
        width: How many columns the rows have.
    """

    def __init__(self, width: int) -> None:
        self._keys = [[_key() for _ in range(_MOST_LANES)] for _ in range(width)]
        # Made once: memory that is asked for anew for each step costs more than the step.
        self._hashes, self._mixed = np.empty(CHUNK_ROWS, np.uint64), np.empty(CHUNK_ROWS, np.uint64)

    def of(self, batch: pa.RecordBatch) -> int:
        """The hash of a batch; those of all batches, added up, modulo 2**64, are the hash of their rows."""
        columns = [list(_lanes(values)) for values in batch.columns]
        lanes = [
            pair for keys, column in zip(self._keys, columns, strict=True) for pair in zip(keys, column, strict=False)
        ]
        total = 0
        for begin in range(0, len(batch), CHUNK_ROWS):
            rows = slice(begin, min(begin + CHUNK_ROWS, len(batch)))
            total += self._of_chunk([(key, lane.bits(rows)) for key, lane in lanes])
        return total % 2**64

    def _of_chunk(self, lanes: list[tuple[np.uint64, Bits]]) -> int:
        count = len(lanes[0][1])
        hashes, mixed = self._hashes[:count], self._mixed[:count]
        hashes.fill(0)
        for key, lane in lanes:
            # The bits above are folded into those below: a multiplication hands on nothing downwards.
            np.right_shift(lane, _HALF, out=mixed)
            np.bitwise_xor(mixed, lane, out=mixed)
            np.multiply(mixed, key, out=mixed)
            np.add(hashes, mixed, out=hashes)
        np.right_shift(hashes, _HALF, out=mixed)
        np.bitwise_xor(hashes, mixed, out=hashes)
        np.multiply(hashes, _MIX, out=hashes)
        np.right_shift(hashes, _HALF, out=mixed)
        np.bitwise_xor(hashes, mixed, out=hashes)
        return int(hashes.sum(dtype=np.uint64))


def _key() -> np.uint64:
    return np.uint64(secrets.randbits(64) | 1)


@dataclass(frozen=True, slots=True)
class _Lane:
    """64 bits of each value of a column.

    Attributes:
        values: The bits, or the places of texts.
        texts: The hashes of these.
        absent: Which values are null.
    """

    values: npt.NDArray[np.integer]
    texts: Bits | None = None
    absent: npt.NDArray[np.bool_] | None = None

    def bits(self, rows: slice) -> Bits:
        """Those of some rows."""
        values = self.values[rows]
        bits = values.astype(np.uint64, copy=False) if self.texts is None else self.texts.take(values)
        return bits if self.absent is None else np.where(self.absent[rows], _ABSENT, bits)


def _lanes(values: pa.Array) -> Iterator[_Lane]:
    """The values of a column as 64 bits each, or twice 64 bits where they are wider."""
    kind = values.type
    absent = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    if pa.types.is_dictionary(kind):
        places = values.indices.fill_null(0) if values.null_count else values.indices
        texts = _hashes(values.dictionary)
        yield _Lane(places.to_numpy(), texts if len(texts) else np.zeros(1, np.uint64), absent)
    elif pa.types.is_boolean(kind):
        yield _Lane(_buffer(values.fill_null(False).cast(pa.uint8()), np.uint8), None, absent)
    elif pa.types.is_decimal128(kind):
        words = _buffer(values, np.uint64, words=2).reshape(-1, 2)
        yield from (_Lane(np.ascontiguousarray(words[:, place]), None, absent) for place in range(2))
    elif pa.types.is_primitive(kind) and kind.bit_width in _WIDTHS:
        yield _Lane(_buffer(values, _WIDTHS[kind.bit_width]), None, absent)
    else:
        yield _Lane(_hashes(values), None, absent)


_WIDTHS: dict[int, type[np.unsignedinteger]] = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


def _buffer(values: pa.Array, kind: type[np.unsignedinteger], words: int = 1) -> npt.NDArray[np.unsignedinteger]:
    if not len(values):
        return np.empty(0, kind)
    whole = np.frombuffer(values.buffers()[1], kind)
    return whole[values.offset * words : (values.offset + len(values)) * words]


def _hashes(values: pa.Array) -> Bits:
    """Hashes of what has no fixed width; those of maps and lists by how they are written."""
    kind = values.type
    is_text = pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)
    written = values.to_pylist() if is_text else map(repr, values.to_pylist())
    return np.fromiter(map(hash, written), np.int64, len(values)).view(np.uint64)
