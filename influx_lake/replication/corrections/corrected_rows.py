"""Keeps corrected points of the lake in a load whose source shows the values from before the correction."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Measurement, Nanoseconds
from influx_lake.config.values.source_schema import Column, MeasurementSchema, Role
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.key_join import keyed
from influx_lake.iceberg.merge.point_key import PointKey
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.replication.changed_values import LakeColumns, as_in_source
from influx_lake.replication.corrections.evidence import earlier_versions

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from influx_lake.sources.protocol import RowStream

log = logging.getLogger("influx_lake.replication")

ROWS_AT_ONCE = 500_000
"""How many rows of each snapshot are compared at once, which bounds memory."""
MOST_POINTS = 100_000
"""How many corrected points of a window are kept at most, which bounds memory."""


@dataclass(frozen=True, slots=True)
class _Correction:
    """A point of the lake that had other values before.

    Attributes:
        now: The present values of the fields that changed, by the source's field names.
        before: Their earlier values.
    """

    now: Mapping[str, Any]
    before: Mapping[str, Any]


@dataclass(slots=True)
class CorrectedPoints:
    """The points of a window whose values a later load corrected.

    Attributes:
        measurement: The measurement.
        window: The window.
        tags: The source's tags that the table has.
        is_exact: Whether the table keeps nanoseconds; otherwise times are truncated to microseconds.
        points: The corrections, by tags and time in nanoseconds.
    """

    measurement: Measurement
    window: Window
    tags: tuple[str, ...]
    is_exact: bool
    points: dict[tuple[Any, ...], list[_Correction]] = field(default_factory=dict)

    def keeping(self, rows: RowStream) -> RowStream:
        """The source's rows, with the lake's values in points where the source shows the earlier ones."""
        return _Kept(rows, self)

    def place(self, row: Mapping[str, Any], nanoseconds: int) -> tuple[Any, ...]:
        """The key of a point in `points`."""
        time = nanoseconds if self.is_exact else nanoseconds // 1000 * 1000
        return (time, *(row.get(tag) for tag in self.tags))


def corrected_points(
    table: Table, measurement: Measurement, schema: MeasurementSchema, window: Window
) -> CorrectedPoints | None:
    """Find the points of a window that later loads corrected; None where there are none.

    Uses earlier snapshots of the table only; the source is not queried.

    Args:
        table: The table, under the names that loads know.
        measurement: The measurement.
        schema: Its columns in the source.
        window: The window.

    Raises:
        LakeError: A snapshot cannot be read.
    """
    lake = LakeColumns.of(table, measurement, schema)
    columns = [column for column in lake.columns if column.name in lake.names]
    tags = [column for column in columns if column.role is Role.TAG]
    fields = [column for column in columns if column.role is Role.FIELD]
    whole = measurement.types.nanoseconds_column
    nanoseconds = whole if whole in {each.name for each in table.schema().fields} else None
    key = PointKey(tuple(lake.names[each.name] for each in tags), measurement.time_column, nanoseconds)
    # Without such a column all times are whole microseconds, unless they were truncated.
    is_exact = measurement.types.nanoseconds is not Nanoseconds.TRUNCATE
    found = CorrectedPoints(measurement, window, tuple(each.name for each in tags), is_exact)
    parts: Sequence[Window] = ()
    for snapshot_id, _ in earlier_versions(table, window):
        then = LakeColumns.of(table, measurement, schema, snapshot_id)
        common = [each for each in fields if then.names.get(each.name) == lake.names[each.name]]
        if not common or any(then.names.get(each.name) != lake.names[each.name] for each in tags):
            continue
        names = list(dict.fromkeys((*key.all, *(lake.names[each.name] for each in common))))
        parts = parts or _parts(window, count_by_window(table, [window], key.time)[0])
        for part in parts:
            now = read_windows(table, [part], key.time, names).read_all()
            before = read_windows(table, [part], key.time, _present_columns(table, snapshot_id, names), snapshot_id)
            _add(found, now, before.read_all(), key, lake, [*tags, *common], common)
            if len(found.points) >= MOST_POINTS:
                log.warning(
                    "%s %s: more than %s points were corrected; of others it is not seen whether the source went back",
                    measurement.name,
                    window,
                    f"{MOST_POINTS:,}",
                )
                return found
    return found if found.points else None


def _parts(window: Window, rows: int) -> list[Window]:
    """Split a window into parts with a bounded number of rows each, assuming that rows are spread evenly."""
    count = max(1, -(-rows // ROWS_AT_ONCE))
    bounds = [window.start + (window.end - window.start) * place / count for place in range(count)]
    return [Window(start, end) for start, end in pairwise([*bounds, window.end])]


def _present_columns(table: Table, snapshot_id: int, names: Sequence[str]) -> list[str]:
    """The columns, of those given, that the table had in a snapshot."""
    snapshot = table.snapshot_by_id(snapshot_id)
    schema = table.schemas().get(snapshot.schema_id) if snapshot and snapshot.schema_id is not None else None
    there = {each.name for each in (schema or table.schema()).fields}
    return [name for name in names if name in there]


def _add(
    found: CorrectedPoints,
    now: pa.Table,
    before: pa.Table,
    key: PointKey,
    lake: LakeColumns,
    columns: Sequence[Column],
    fields: Sequence[Column],
) -> None:
    """Add the points that both snapshots have, with other values."""
    if not len(now) or not len(before):
        return
    here, there = keyed(now.combine_chunks(), before.combine_chunks(), key)
    order = np.argsort(there.numbers, kind="stable")
    places = np.searchsorted(there.numbers[order], here.numbers)
    places = order[np.minimum(places, len(order) - 1)]
    both = np.flatnonzero(there.numbers[places] == here.numbers)
    one, other = now.take(pa.array(both)), before.take(pa.array(places[both]))
    others = {
        each.name: _differ(one.column(lake.names[each.name]), other.column(lake.names[each.name])) for each in fields
    }
    changed = np.flatnonzero(np.logical_or.reduce([np.asarray(mask) for mask in others.values()]))
    one, other = one.take(pa.array(changed)), other.take(pa.array(changed))
    values, formers = _rows(one, lake, columns), _rows(other, lake, columns)
    below = key.below_microseconds(one)
    times = pc.multiply(one.column(key.time).cast(pa.int64()), 1000)
    whole = (times if below is None else pc.add(times, below)).to_pylist()
    masks = {name: np.asarray(mask)[changed] for name, mask in others.items()}
    for number, (row, former, time) in enumerate(zip(values, formers, whole, strict=True)):
        names = [name for name, mask in masks.items() if mask[number]]
        correction = _Correction({name: row[name] for name in names}, {name: former[name] for name in names})
        found.points.setdefault(found.place(row, time), []).append(correction)


def _rows(rows: pa.Table, lake: LakeColumns, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Rows with the source's column names and types."""
    arrays = [as_in_source(rows.column(lake.names[each.name]), each.type) for each in columns]
    return list(pa.table(arrays, names=[each.name for each in columns]).to_pylist())


def _differ(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """Mask of the values that differ; null equals null only."""
    nulls = pc.xor(pc.is_null(one), pc.is_null(other))
    return pc.or_(pc.fill_null(pc.not_equal(one, other), False), nulls)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A stream in which reverted values are replaced by the lake's."""

    rows: RowStream
    corrected: CorrectedPoints

    @property
    def schema(self) -> pa.Schema:
        return self.rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        times = pa.array(sorted({place[0] for place in self.corrected.points}), pa.int64())
        kept: dict[str, int] = {}
        points = 0
        for batch in self.rows:
            made, names = self._made(batch, times)
            points += len(names)
            for name in (name for each in names for name in each):
                kept[name] = kept.get(name, 0) + 1
            yield made
        if points:
            where = self.corrected
            log.warning(
                "%s %s: the source shows again what %s held before for %s, in %s: it went back, and the table keeps "
                "its newer values (to have the source's: on_changed_values: load)",
                where.measurement.name,
                where.window,
                where.measurement.table_name,
                counted(points, "point"),
                ", ".join(sorted(kept)),
            )

    def _made(self, batch: pa.RecordBatch, times: pa.Array) -> tuple[pa.RecordBatch, list[list[str]]]:
        time = self.corrected.measurement.time_column
        nanoseconds = batch.column(time).cast(pa.timestamp("ns", batch.schema.field(time).type.tz)).cast(pa.int64())
        compared = nanoseconds
        if not self.corrected.is_exact:
            compared = pa.array(np.asarray(nanoseconds) // 1000 * 1000, pa.int64())
        places = np.flatnonzero(np.asarray(pc.is_in(compared, times)))
        if not len(places):
            return batch, []
        compared_columns = [name for name in batch.schema.names if name != time]
        candidates = batch.select(compared_columns).take(pa.array(places)).to_pylist()
        values: dict[str, dict[int, Any]] = {}
        reverted: list[list[str]] = []
        for place, row in zip(places.tolist(), candidates, strict=True):
            newer = self._newer(row, nanoseconds[place].as_py())
            for name, value in newer.items():
                values.setdefault(name, {})[place] = value
            if newer:
                reverted.append(sorted(newer))
        for name, at in values.items():
            index = batch.schema.get_field_index(name)
            batch = batch.set_column(index, batch.schema.field(index), _replaced(batch.column(index), at))
        return batch, reverted

    def _newer(self, row: Mapping[str, Any], nanoseconds: int) -> dict[str, Any]:
        """The lake's values for the fields of a point that the source has reverted."""
        corrections = self.corrected.points.get(self.corrected.place(row, nanoseconds), [])
        return {
            name: each.now[name]
            for each in corrections
            for name, former in each.before.items()
            if name in row and row[name] == former and row[name] != each.now[name]
        }


def _replaced(values: pa.Array, at: Mapping[int, Any]) -> pa.Array:
    """An array with some of its values replaced."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    mask = np.zeros(len(values), dtype=bool)
    mask[list(at)] = True
    ordered = pa.array([at[place] for place in sorted(at)], kind)
    replaced = pc.replace_with_mask(values.cast(kind), pa.array(mask), ordered)
    return replaced.cast(values.type) if kind == values.type else pc.dictionary_encode(replaced).cast(values.type)
