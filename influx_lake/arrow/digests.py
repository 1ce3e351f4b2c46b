"""Digests of columns that do not depend on the order of rows, and how they are combined.

Each row has two weights of 64 bits, computed from its key: its time, and the columns that identify rows of one time, in
any order; null adds nothing to them, so a null tag counts as an absent one. The digest of a column is the sum of its
values' hashes, each multiplied by the weight of its row, with either weight, modulo 2**64. So a value that is altered,
missing or exchanged with that of another row changes the digest of its column, by its bits: 0.0 and -0.0 differ, and
NaN of other payloads. The digest of the key, the sum of the weights, differs where rows are missing or doubled. Null
adds nothing: a column that one side does not have equals one of nulls.

Digests of parts add up to that of the whole. They are the same on every machine and in every version with this
`ALGORITHM`. They do not protect against rows that are forged to match.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.arrow.hash_words import Bits, HashTexts, Words, fold, width_of, words_of
from influx_lake.arrow.maps import as_texts

ALGORITHM = "influx-lake-2"
"""The name of the digest algorithm, kept beside digests."""
CHUNK_ROWS = 8_192
"""How many rows are hashed at once, so that intermediate arrays stay in the processor's cache."""
KEY = ""
"""The name of the digest of the rows' keys, which differs where a row is missing or doubled."""
_LANES = 2
_MOST_WORDS = 2
_MIX = np.uint64(0x5851F42D4C957F2D)
_REMEMBERED = 10_000
"""How many hashes of a column's strings are cached, beside those of one batch."""
_WHOLE = _MOST_WORDS + 1
"""The index of the column's odd number that its digest is multiplied by in `combined`."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a column.

    Attributes:
        values: The number of values.
        lanes: The sums of the weighted hashes, one for each of two weights, modulo 2**64.
    """

    values: int = 0
    lanes: tuple[int, int] = (0, 0)

    def __add__(self, other: Digest) -> Digest:
        (first, second), (more, still_more) = self.lanes, other.lanes
        return Digest(self.values + other.values, ((first + more) % 2**64, (second + still_more) % 2**64))

    def __sub__(self, other: Digest) -> Digest:
        (first, second), (less, still_less) = self.lanes, other.lanes
        return Digest(self.values - other.values, ((first - less) % 2**64, (second - still_less) % 2**64))

    def __str__(self) -> str:
        return "".join(f"{lane:016x}" for lane in self.lanes)

    @classmethod
    def parse(cls, values: int, text: str) -> Digest:
        """Parse what `str()` wrote.

        Raises:
            ValueError: The text is no digest.
        """
        if len(text) != 32:
            raise ValueError(f"not a digest: {text!r}")
        return cls(values, (int(text[:16], 16), int(text[16:], 16)))


def combined(key: Digest, columns: Mapping[str, Digest]) -> Digest:
    """Combine the digests of keys and columns into one of whole rows: their sum, each multiplied by an odd number
    derived from the column's name.

    Args:
        key: The digest of the keys.
        columns: The digests of the other columns, by name; one without values counts as absent.
    """
    lanes = list(key.lanes)
    for name, digest in columns.items():
        for lane in range(_LANES):
            lanes[lane] = (lanes[lane] + digest.lanes[lane] * int(_factors(name)[lane][_WHOLE])) % 2**64
    return Digest(key.values, (lanes[0], lanes[1]))


class RowDigester:
    """Computes the digests of columns, batch by batch.

    Args:
        key: The key columns, which every batch has.

    Attributes:
        digests: The digests so far, by column; that of the key is called `KEY`.
    """

    def __init__(self, key: Sequence[str]) -> None:
        self.digests: dict[str, Digest] = {}
        self._key = tuple(key)
        # Allocated once: allocation for each step would cost more than the step.
        self._weights = [np.empty(CHUNK_ROWS, np.uint64) for _ in range(_LANES)]
        self._hashes, self._scratch = np.empty(CHUNK_ROWS, np.uint64), np.empty(CHUNK_ROWS, np.uint64)
        self._texts: dict[str, _Texts] = {}
        self._widths: dict[str, tuple[pa.DataType, type[np.integer] | None]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        columns = {
            name: self._column(name, values) for name, values in zip(batch.schema.names, batch.columns, strict=True)
        }
        key = [columns.pop(name) for name in self._key]
        for begin in range(0, len(batch), CHUNK_ROWS):
            rows = slice(begin, min(begin + CHUNK_ROWS, len(batch)))
            weights = [self._weighed(key, lane, rows) for lane in range(_LANES)]
            first, second = (int(each.sum(dtype=np.uint64)) for each in weights)
            self._count(KEY, Digest(rows.stop - rows.start, (first, second)))
            for name, column in columns.items():
                self._count(name, self._digest(column, weights, rows))

    def _column(self, name: str, values: pa.Array) -> _Column:
        kind, known = values.type, self._widths.get(name)
        if known is None or known[0] != kind:
            known = self._widths[name] = kind, width_of(kind)
        if (width := known[1]) is not None and not values.null_count and len(values):
            # The usual case, thousands of batches: the type is examined only when it changes.
            whole = np.frombuffer(values.buffers()[1], width)
            words = Words(whole[values.offset : values.offset + len(values)])
            return _Column((words,), _factors(name), is_text=False)
        texts = self._texts.setdefault(name, _Texts())
        return _Column(tuple(_words(values, texts.hashes)), _factors(name), is_text=_is_text(kind))

    def _count(self, name: str, digest: Digest) -> None:
        self.digests[name] = self.digests.get(name, Digest()) + digest

    def _weighed(self, key: Sequence[_Column], lane: int, rows: slice) -> Bits:
        """The weight of each row, from the hash of its key."""
        count = rows.stop - rows.start
        weights, hashes, scratch = self._weights[lane][:count], self._hashes[:count], self._scratch[:count]
        weights.fill(0)
        for column in key:
            self._hash(column, lane, rows, hashes, scratch)
            np.multiply(hashes, column.factors[1 - lane][0], out=hashes)
            absent = column.absent(rows)
            if absent is not None:
                hashes[absent] = 0
            np.add(weights, hashes, out=weights)
        fold(weights, scratch)
        np.multiply(scratch, _MIX | np.uint64(lane + 1), out=scratch)
        fold(scratch, weights)
        return weights

    def _digest(self, column: _Column, weights: Sequence[Bits], rows: slice) -> Digest:
        count = rows.stop - rows.start
        hashes, scratch = self._hashes[:count], self._scratch[:count]
        absent = column.absent(rows)
        there = count if absent is None else count - int(np.count_nonzero(absent))
        if not there:
            return Digest()
        sums = []
        for lane, weight in enumerate(weights):
            # Strings have different hashes for each lane.
            if lane == 0 or column.is_text:
                self._hash(column, lane, rows, hashes, scratch)
                if absent is not None:
                    hashes[absent] = 0
            sums.append(int(np.dot(hashes, weight)))
        return Digest(there, (sums[0], sums[1]))

    def _hash(self, column: _Column, lane: int, rows: slice, hashes: Bits, scratch: Bits) -> None:
        """Mix words into hashes, so that each bit of a word may change each bit of the hash."""
        if column.is_text:
            column.words[lane].put(rows, hashes)
            return
        factors = column.factors[lane]
        for place, words in enumerate(column.words):
            fold(words.of(rows), scratch)
            np.multiply(scratch, factors[place], out=scratch)
            # So that zero does not hash to zero.
            np.add(scratch, hashes if place else factors[_MOST_WORDS], out=scratch)
            if place + 1 < len(column.words):
                np.copyto(hashes, scratch)
        fold(scratch, hashes)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a batch, as words to be hashed.

    Attributes:
        words: The values as one or several 64-bit words each.
        factors: The odd numbers that words are multiplied by, for each lane.
        is_text: Whether the words are hashes of strings, one for each lane.
    """

    words: tuple[Words, ...]
    factors: list[list[np.uint64]]
    is_text: bool

    def absent(self, rows: slice) -> npt.NDArray[np.bool_] | None:
        """Mask of the nulls among some rows; None: there are none."""
        absent = self.words[0].absent
        return None if absent is None else absent[rows]


class _Texts:
    """Caches the hashes of a column's strings: most batches repeat those of earlier ones."""

    def __init__(self) -> None:
        self._known: dict[bytes | None, bytes] = {}

    def hashes(self, values: pa.Array) -> tuple[Bits, ...]:
        """The hash of each string, for each lane."""
        texts = (values if pa.types.is_binary(values.type) else values.cast(pa.binary())).to_pylist()
        known = self._known
        if len(known) > _REMEMBERED:
            known.clear()
        for text in texts:
            if text not in known:
                known[text] = hashlib.blake2b(text or b"", digest_size=8 * _LANES).digest()
        words = np.frombuffer(b"".join([known[text] for text in texts]), "<u8").reshape(-1, _LANES)
        return tuple(np.ascontiguousarray(words[:, lane]) for lane in range(_LANES))


def _is_text(kind: pa.DataType) -> bool:
    return not (pa.types.is_primitive(kind) or pa.types.is_decimal128(kind))


def _words(values: pa.Array, hash_texts: HashTexts) -> Iterator[Words]:
    if pa.types.is_map(values.type):
        values = as_texts(values)
    is_encoded = pa.types.is_dictionary(values.type)
    if is_encoded and (len(values.dictionary) > len(values) or values.dictionary.null_count):
        values, is_encoded = values.dictionary_decode(), False
    if _is_text(values.type) and not is_encoded:
        # Repeated strings are hashed once.
        values = values.dictionary_encode()
    return words_of(values, hash_texts)


@cache
def _factors(name: str) -> list[list[np.uint64]]:
    """The numbers derived from a column's name: odd factors for its words and each lane, one addend, one for
    `combined`.
    """

    def factor(lane: int, place: int) -> np.uint64:
        told = hashlib.blake2b(f"{ALGORITHM}/{lane}/{place}/{name}".encode(), digest_size=8).digest()
        return np.uint64(int.from_bytes(told, "little") | 1)

    return [[factor(lane, place) for place in range(_WHOLE + 1)] for lane in range(_LANES)]
