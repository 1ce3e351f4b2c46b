"""Digests of the columns of rows that do not depend on the rows' order.

Each row has two weights of 64 bits, made of its key: its time, and what tells rows of one time apart, in any order;
null adds nothing to them, so that a tag that nobody set is one that is not there. The digest of a column is the sum of
its values' hashes, each multiplied by the weight of its row, with either weight, modulo 2**64. So a value that is
altered, missing or exchanged with that of another row changes the digest of its column, by its bits: 0.0 and -0.0
differ, and NaN of other payloads. The digest of the key, the sum of the weights, tells of rows that are missing or
there twice. Null adds nothing: a column that one side does not have equals one of nulls.

Digests of parts add up to that of the whole. They are the same on every machine and in every version that says
`ALGORITHM`. They are no protection from somebody who makes up rows to fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.arrow_maps import as_texts
from influx_lake.arrow_words import Bits, HashTexts, Words, fold, width_of, words_of

ALGORITHM = "influx-lake-2"
"""Names how digests are made."""
CHUNK_ROWS = 8_192
"""How many rows are hashed at once: what is computed for them stays in the processor's cache."""
KEY = ""
"""What the digest of the rows' keys is called: it differs where a row is missing, or there twice."""
_LANES = 2
_MOST_WORDS = 2
_MIX = np.uint64(0x5851F42D4C957F2D)
_REMEMBERED = 10_000
"""How many texts of a column have their hashes kept, and those of one batch more."""
_WHOLE = _MOST_WORDS + 1
"""Which of a column's numbers its digest is multiplied by where it becomes part of one of whole rows."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a column.

    Attributes:
        values: How many values are there.
        lanes: The sum with either weight, modulo 2**64.
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
        """Read what `str()` wrote.

        Raises:
            ValueError: It is something else.
        """
        if len(text) != 32:
            raise ValueError(f"not a digest: {text!r}")
        return cls(values, (int(text[:16], 16), int(text[16:], 16)))


def combined(key: Digest, columns: Mapping[str, Digest]) -> Digest:
    """One digest of rows: that of their keys, and those of their columns, each multiplied by an odd number that the
    column's name makes. Those of parts add up here too; `values` is the number of rows.

    Args:
        key: The digest of the keys.
        columns: The digests of the other columns, by name; one without values counts as one that is not there.
    """
    lanes = list(key.lanes)
    for name, digest in columns.items():
        for lane in range(_LANES):
            lanes[lane] = (lanes[lane] + digest.lanes[lane] * int(_factors(name)[lane][_WHOLE])) % 2**64
    return Digest(key.values, (lanes[0], lanes[1]))


class RowDigester:
    """Adds up the digests of columns, batch by batch.

    Args:
        key: The columns that tell rows apart; a batch has all of them.

    Attributes:
        digests: What has been added up, by column; that of the key is called `KEY`.
    """

    def __init__(self, key: Sequence[str]) -> None:
        self.digests: dict[str, Digest] = {}
        self._key = tuple(key)
        # Made once: memory that is asked for anew for each step costs more than the step.
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
            # Most columns are such, in thousands of batches: nothing is looked at that was looked at before.
            whole = np.frombuffer(values.buffers()[1], width)
            words = Words(whole[values.offset : values.offset + len(values)])
            return _Column((words,), _factors(name), is_text=False)
        texts = self._texts.setdefault(name, _Texts())
        return _Column(tuple(_words(values, texts.hashes)), _factors(name), is_text=_is_text(kind))

    def _count(self, name: str, digest: Digest) -> None:
        self.digests[name] = self.digests.get(name, Digest()) + digest

    def _weighed(self, key: Sequence[_Column], lane: int, rows: slice) -> Bits:
        """A weight of each row."""
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
            # Texts have other hashes in either lane.
            if lane == 0 or column.is_text:
                self._hash(column, lane, rows, hashes, scratch)
                if absent is not None:
                    hashes[absent] = 0
            sums.append(int(np.dot(hashes, weight)))
        return Digest(there, (sums[0], sums[1]))

    def _hash(self, column: _Column, lane: int, rows: slice, hashes: Bits, scratch: Bits) -> None:
        """The hashes of values, in any bit of which each bit of the value may show."""
        if column.is_text:
            column.words[lane].put(rows, hashes)
            return
        factors = column.factors[lane]
        for place, words in enumerate(column.words):
            fold(words.of(rows), scratch)
            np.multiply(scratch, factors[place], out=scratch)
            # Zero is to count too.
            np.add(scratch, hashes if place else factors[_MOST_WORDS], out=scratch)
            if place + 1 < len(column.words):
                np.copyto(hashes, scratch)
        fold(scratch, hashes)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a batch.

    Attributes:
        words: Its values: a word of each, or several.
        factors: The odd numbers that words are multiplied by, of each lane.
        is_text: Whether its words are hashes of texts, one for each lane.
    """

    words: tuple[Words, ...]
    factors: list[list[np.uint64]]
    is_text: bool

    def absent(self, rows: slice) -> npt.NDArray[np.bool_] | None:
        """Which of some rows have no value; None: all have."""
        absent = self.words[0].absent
        return None if absent is None else absent[rows]


class _Texts:
    """The hashes of a column's texts: most batches have the same ones as those before."""

    def __init__(self) -> None:
        self._known: dict[bytes | None, bytes] = {}

    def hashes(self, values: pa.Array) -> tuple[Bits, ...]:
        """A hash of each text for each lane."""
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
        # Each text that is there often is hashed once.
        values = values.dictionary_encode()
    return words_of(values, hash_texts)


@cache
def _factors(name: str) -> list[list[np.uint64]]:
    """The odd numbers that a column's words are multiplied by, of each lane, one that is added, and one for its digest;
    its name makes them.
    """

    def factor(lane: int, place: int) -> np.uint64:
        told = hashlib.blake2b(f"{ALGORITHM}/{lane}/{place}/{name}".encode(), digest_size=8).digest()
        return np.uint64(int.from_bytes(told, "little") | 1)

    return [[factor(lane, place) for place in range(_WHOLE + 1)] for lane in range(_LANES)]
