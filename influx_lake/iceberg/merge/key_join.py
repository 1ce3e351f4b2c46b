"""Exact join of two sets of points by their keys, in columnar batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.maps import as_texts, is_map
from influx_lake.iceberg.merge.point_key import PointKey
from influx_lake.iceberg.spill.sorted_int64_set import Numbers, best_sort, places_in

_LARGEST = 2**62
_BELOW = "below microseconds"


@dataclass(frozen=True, slots=True)
class KeyedRows:
    """Rows, with the id of each one's key."""

    rows: pa.Table
    numbers: Numbers


def keyed(coming: pa.Table, held: pa.Table, key: PointKey) -> tuple[KeyedRows, KeyedRows]:
    """Assign ids to the keys of two sets of rows, of any types; null is a value of its own."""
    keys, codes, distinct = (_keys(coming, key), _keys(held, key)), _zeros(len(coming) + len(held)), 1
    for name in (*key.columns, key.time, _BELOW):
        values, count = _coded(pa.concat_arrays([chunk for part in keys for chunk in part.column(name).chunks]))
        if distinct * count >= _LARGEST:
            codes, distinct = _dense(codes)
        if distinct * count >= _LARGEST:
            values, count = _dense(values)
        codes = pc.add(pc.multiply(codes, count), values)
        distinct *= count
    numbers = np.asarray(codes)
    return KeyedRows(coming, numbers[: len(coming)]), KeyedRows(held, numbers[len(coming) :])


def last_of_each_key(coming: KeyedRows, key: PointKey) -> KeyedRows:
    """The last row of each key, in the order of the rows.

    Raises:
        DataRefused: Rows of several points have the same key.
    """
    order = np.argsort(coming.numbers, kind="stable")
    ordered = coming.numbers[order]
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    if last.all():
        return coming
    if key.tags:
        again = np.flatnonzero(~last)
        key.check_last(*(coming.rows.take(pa.array(order[each])) for each in (again + 1, again)))
    places = np.sort(order[last])
    return KeyedRows(coming.rows.take(pa.array(places)), coming.numbers[places])


def coalesced(coming: KeyedRows, held: KeyedRows, key: tuple[str, ...]) -> pa.Table:
    """Loaded rows, with the table's values of the same keys in place of nulls."""
    gaps = [field.name for field in coming.rows.schema if field.name not in key and coming.rows[field.name].null_count]
    if not gaps or not len(held.rows):
        return coming.rows
    there = held.rows.select(gaps)
    if np.array_equal(coming.numbers, held.numbers[: len(coming.numbers)]):
        there = there.slice(0, len(coming.rows))
    else:
        there = there.take(_places(coming.numbers, held.numbers))
    rows = coming.rows
    for name in gaps:
        whole = pc.coalesce(rows[name], there[name])
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), whole)
    return rows


def _places(coming: Numbers, held: Numbers) -> pa.Array:
    """The index of the table's first row with each loaded key; null where there is none."""
    order = np.argsort(held, kind="stable")
    ordered = held[order]
    if best_sort(coming) == "stable":
        places = order[places_in(ordered, coming)]
    else:
        # Sorted look-ups take a fraction of the time of random ones.
        sought, places = np.argsort(coming), np.empty(len(coming), np.int64)
        places[sought] = order[places_in(ordered, coming[sought])]
    return pa.array(places, mask=held[places] != coming)


def _keys(rows: pa.Table, key: PointKey) -> pa.Table:
    below = key.below_microseconds(rows)
    return rows.select([*key.columns, key.time]).append_column(_BELOW, _zeros(len(rows)) if below is None else below)


def _coded(values: pa.Array) -> tuple[pa.Array, int]:
    """Encode the values of a column as small integers; returns them and the upper bound of distinct values."""
    if (pa.types.is_timestamp(values.type) or pa.types.is_int64(values.type)) and not values.null_count:
        numbers = values.cast(pa.int64())
        ends = pc.min_max(numbers).as_py()
        if ends["min"] is not None and (span := ends["max"] - ends["min"] + 1) < _LARGEST:
            return pc.subtract(numbers, ends["min"]), span
    return _dense(values)


def _dense(values: pa.Array) -> tuple[pa.Array, int]:
    if is_map(values.type):
        values = as_texts(values)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    return encoded.indices.cast(pa.int64()), max(1, len(encoded.dictionary))


def _zeros(count: int) -> pa.Array:
    return pa.repeat(pa.scalar(0, pa.int64()), count)
