"""Which points two sets of rows have in common, told exactly, in columns at a time."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.iceberg.point_key import PointKey

_LARGEST = 2**62
_BELOW = "below microseconds"


@dataclass(frozen=True, slots=True)
class Joined:
    """Two sets of rows made one.

    Attributes:
        rows: Every point of either set, once.
        kept: How many of them only the held set had.
    """

    rows: pa.Table
    kept: int


def join_points(coming: pa.Table, held: pa.Table, key: PointKey, *, merge_fields: bool) -> Joined:
    """Lay rows over those that are held: a point of both has the coming values.

    Args:
        coming: The rows that come; of those with one key the last wins.
        held: The rows that are there, of the same schema.
        key: What tells points apart; null is a value of its own.
        merge_fields: Let a null that comes keep the held value.
    """
    coming_codes, held_codes = codes_of(_keys(coming, key), _keys(held, key), (*key.columns, key.time, _BELOW))
    latest = _last_of_each(coming_codes)
    if latest is not None:
        coming, coming_codes = coming.take(latest), coming_codes.take(latest)
    kept = held.filter(pc.invert(pc.is_in(held_codes, value_set=coming_codes)))
    if merge_fields and len(held):
        coming = _filled(coming, held, pc.index_in(coming_codes, value_set=held_codes), key.all)
    return Joined(pa.concat_tables([coming, kept]), len(kept))


def _keys(rows: pa.Table, key: PointKey) -> pa.Table:
    below = key.below_microseconds(rows)
    none = pa.repeat(pa.scalar(0, pa.int64()), len(rows))
    return rows.select([*key.columns, key.time]).append_column(_BELOW, none if below is None else below)


def codes_of(coming: pa.Table, held: pa.Table, key: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
    """A number for each row: equal exactly where the keys are equal."""
    codes, distinct = pa.repeat(pa.scalar(0, pa.int64()), len(coming) + len(held)), 1
    for name in key:
        values, count = _numbered(pa.concat_arrays([*coming.column(name).chunks, *held.column(name).chunks]))
        if distinct * count >= _LARGEST:
            codes, distinct = _dense(codes)
        if distinct * count >= _LARGEST:
            values, count = _dense(values)
        codes = pc.add(pc.multiply(codes, count), values)
        distinct *= count
    return codes.slice(0, len(coming)), codes.slice(len(coming))


def _numbered(values: pa.Array) -> tuple[pa.Array, int]:
    """Small numbers for the values of a column, and how many they may be."""
    if (pa.types.is_timestamp(values.type) or pa.types.is_int64(values.type)) and not values.null_count:
        numbers = values.cast(pa.int64())
        ends = pc.min_max(numbers).as_py()
        if ends["min"] is not None and (span := ends["max"] - ends["min"] + 1) < _LARGEST:
            return pc.subtract(numbers, ends["min"]), span
    return _dense(values)


def _dense(values: pa.Array) -> tuple[pa.Array, int]:
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    return encoded.indices.cast(pa.int64()), max(1, len(encoded.dictionary))


def _last_of_each(codes: pa.Array) -> pa.Array | None:
    """The position of the last row of each code, in order; None when no code is there twice."""
    if pc.count_distinct(codes).as_py() == len(codes):
        return None
    numbered = pa.table({"code": codes, "row": pa.array(range(len(codes)), pa.int64())})
    last = numbered.group_by("code").aggregate([("row", "max")]).column("row_max").combine_chunks()
    return last.take(pc.array_sort_indices(last))


def _filled(coming: pa.Table, held: pa.Table, positions: pa.Array, key: tuple[str, ...]) -> pa.Table:
    """The coming rows with held values in the place of nulls."""
    for index, field in enumerate(coming.schema):
        values = coming.column(index)
        if values.null_count and field.name not in key:
            coming = coming.set_column(index, field, pc.coalesce(values, held.column(index).take(positions)))
    return coming
