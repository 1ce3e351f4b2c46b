"""Maps of strings as canonical strings, since Arrow neither compares maps nor finds distinct ones."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PART = re.compile(r"((?:[^\\=,]|\\.)*)=((?:[^\\=,]|\\.)*)(?:,|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def is_map(kind: pa.DataType) -> bool:
    """Whether an array's type is a map of strings to strings."""
    return bool(pa.types.is_map(kind))


def as_texts(maps: pa.Array) -> pa.Array:
    """Encode each map as `key=value,key=value`, sorted by key; a backslash escapes `=`, `,` and backslash.

    An empty map is an empty string, and null stays null.
    """
    starts, flat = _offsets(maps)
    keys, items = (_escaped(part.slice(starts[0], starts[-1] - starts[0])) for part in flat)
    pairs = pc.binary_join_element_wise(keys, items, "=", null_handling="replace", null_replacement="")
    places = starts - starts[0]
    ordered = _in_order(pairs, places)
    texts = pc.binary_join(pa.ListArray.from_arrays(pa.array(places, pa.int32()), ordered), ",")
    return pc.if_else(pc.is_valid(maps), texts, pa.scalar(None, pa.string())) if maps.null_count else texts


def from_texts(texts: pa.Array, kind: pa.MapType) -> pa.Array:
    """Decode the maps that `as_texts` encoded."""
    encoded = texts.dictionary_encode()
    return _parsed(encoded.dictionary.to_pylist(), kind).take(encoded.indices)


def _parsed(texts: list[str], kind: pa.MapType) -> pa.Array:
    entries = [[(_plain(key), _plain(value)) for key, value in _PART.findall(text)] if text else [] for text in texts]
    return pa.array(entries, kind)


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _offsets(maps: pa.Array) -> tuple[np.ndarray, tuple[pa.Array, pa.Array]]:
    """The offsets of the maps' entries, and all keys and values."""
    starts = np.asarray(maps.offsets.cast(pa.int64()))
    return starts, (maps.keys, maps.items)


def _escaped(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts.cast(pa.string()), r"([\\=,])", r"\\\1")


def _in_order(pairs: pa.Array, places: np.ndarray) -> pa.Array:
    """The entries of each map sorted by key; nearly always they are already."""
    if len(pairs) < 2:
        return pairs
    owners = np.repeat(np.arange(len(places) - 1), np.diff(places))
    descends = np.asarray(pc.greater(pairs.slice(0, len(pairs) - 1), pairs.slice(1)))
    if not (descends & (owners[1:] == owners[:-1])).any():
        return pairs
    table = pa.table({"owner": owners, "pair": pairs})
    return table.sort_by([("owner", "ascending"), ("pair", "ascending")])["pair"].combine_chunks()
