"""An order-independent hash of rows, to prove that files hold the same rows as others.

The hash of a row covers all of its columns, and the hashes of rows are added up. A row that is missing, duplicated or
altered changes the sum, and so does a value that was swapped with another row's. The keys are random: hashes are
compared only with others of the same keys.
"""

from __future__ import annotations

import secrets

import numpy as np
import pyarrow as pa

from influx_lake.arrow.hash_words import Bits, Words, fold, words_of

CHUNK_ROWS = 8_192
"""The number of rows that are hashed at once, so that intermediate results stay in the processor's cache."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MOST_LANES = 2
"""The largest number of 64-bit words of a value: a decimal has two."""
_ABSENT = np.uint64(0x5851F42D4C957F2D)


class ContentHash:
    """Hashes rows; two hashes are comparable only if the same instance made them.

    Args:
        width: The number of columns.
    """

    def __init__(self, width: int) -> None:
        self._keys = [[_key() for _ in range(_MOST_LANES)] for _ in range(width)]
        # Allocated once: allocating memory for each step costs more than the step.
        self._hashes, self._mixed = np.empty(CHUNK_ROWS, np.uint64), np.empty(CHUNK_ROWS, np.uint64)

    def of(self, batch: pa.RecordBatch) -> int:
        """The hash of a batch; the hash of several is the sum of theirs, modulo 2**64."""
        columns = [list(words_of(values, _hashes)) for values in batch.columns]
        lanes = [
            pair for keys, column in zip(self._keys, columns, strict=True) for pair in zip(keys, column, strict=False)
        ]
        total = 0
        for begin in range(0, len(batch), CHUNK_ROWS):
            rows = slice(begin, min(begin + CHUNK_ROWS, len(batch)))
            total += self._of_chunk([(key, _bits(lane, rows)) for key, lane in lanes])
        return total % 2**64

    def _of_chunk(self, lanes: list[tuple[np.uint64, Bits]]) -> int:
        count = len(lanes[0][1])
        hashes, mixed = self._hashes[:count], self._mixed[:count]
        hashes.fill(0)
        for key, lane in lanes:
            fold(lane, mixed)
            np.multiply(mixed, key, out=mixed)
            np.add(hashes, mixed, out=hashes)
        fold(hashes, mixed)
        np.multiply(mixed, _MIX, out=hashes)
        fold(hashes, mixed)
        return int(mixed.sum(dtype=np.uint64))


def _key() -> np.uint64:
    return np.uint64(secrets.randbits(64) | 1)


def _bits(lane: Words, rows: slice) -> Bits:
    bits = lane.of(rows)
    return bits if lane.absent is None else np.where(lane.absent[rows], _ABSENT, bits)


def _hashes(values: pa.Array) -> tuple[Bits]:
    """Hash values without a fixed width; maps and lists by their `repr`."""
    kind = values.type
    is_text = pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)
    written = values.to_pylist() if is_text else map(repr, values.to_pylist())
    return (np.fromiter(map(hash, written), np.int64, len(values)).view(np.uint64),)
