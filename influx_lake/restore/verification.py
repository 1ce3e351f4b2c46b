"""Verifies a restore: compares digests of the points in lake and target, value by value.

Compared are time, tags and fields with their types, under InfluxDB's names, in bounded memory. Refused points are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from influx_lake.arrow.digests import KEY, Digest, RowDigester
from influx_lake.config.values.source_schema import TIME, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound
from influx_lake.restore.delivery.journal import Journal
from influx_lake.restore.lake_points import LakePoints, field_column
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.rows.layout import WideLayout
from influx_lake.restore.rows.names import unshared
from influx_lake.sources.protocol import RowStream

_TAG = "tag "


class ReadBack(Protocol):
    """Reads a target's points back; any `Source` will do."""

    def schema(self, measurement: str) -> MeasurementSchema:
        """The columns of a measurement.

        Raises:
            MeasurementNotFound: There is no such measurement.
        """
        ...

    def read(self, schema: MeasurementSchema, window: Window) -> AbstractContextManager[RowStream]:
        """The points of a window."""
        ...

    def close(self) -> None:
        """Release resources."""
        ...


@dataclass(frozen=True, slots=True)
class VerifiedWindow:
    """The comparison of a window in lake and target.

    Attributes:
        window: The window.
        points: The number of points that the target should have: those of the lake without the refused ones.
        differences: The differences, in words; empty where every value is equal.
    """

    window: Window
    points: int
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every value is equal."""
        return not self.differences


def verified(points: LakePoints, source: ReadBack, name: str, journal: Journal) -> Iterator[VerifiedWindow]:
    """Compare the windows of a restore with its target.

    Args:
        points: The lake's points.
        source: The target, as a source.
        name: The measurement's name in the target.
        journal: The journal, which knows the refused points.

    Raises:
        LakeError: Lake or target cannot be read.
    """
    try:
        schema = source.schema(name)
    except MeasurementNotFound:
        schema = MeasurementSchema(name, ())
    tags = {*schema.tags}
    if isinstance(points.layout, WideLayout):
        tags |= {part.name for part in points.layout.tags}
    key = sorted(tags)
    for window in points.windows:
        refused = np.array([each.place for each in journal.refused(window)], np.int64)
        ours, theirs = _Side(key), _Side(key)
        for first, batch in points.points(window):
            ours.add(batch, np.flatnonzero(~np.isin(np.arange(first, first + len(batch)), refused)))
        if schema.columns:
            with source.read(schema, window) as rows:
                for batch in rows:
                    theirs.add(_points(batch, schema))
        yield VerifiedWindow(window, ours.rows, tuple(_differences(ours, theirs)))


class _Side:
    """Accumulates the digests of a window on one side."""

    def __init__(self, tags: Sequence[str]) -> None:
        self._tags = tags
        self._digester = RowDigester([TIME, *(_TAG + tag for tag in tags)])
        self.unknown_tags: set[str] = set()
        self.rows = 0

    def add(self, points: PointBatch, places: np.ndarray | None = None) -> None:
        """Add points, or those at some indices."""
        if places is not None and len(places) < len(points):
            points = points.take(pa.array(places))
        if not len(points):
            return
        self.rows += len(points)
        self.unknown_tags |= {
            name for name, values in points.tags.items() if name not in self._tags and values.null_count < len(values)
        }
        columns = {TIME: points.times}
        for tag in self._tags:
            found = points.tags.get(tag)
            columns[_TAG + tag] = pa.nulls(len(points), pa.string()) if found is None else found
        batches = [columns]
        for name, values in points.fields:
            column = field_column(unshared(name, self._tags), values.type)
            # A field can come twice with one type where a load kept its types apart, and undoing joined them.
            target = next((each for each in batches if column not in each), None)
            if target is None:
                batches.append(target := dict(columns))
            target[column] = values
        for each in batches:
            self._digester.add(pa.RecordBatch.from_arrays(list(each.values()), names=list(each)))

    @property
    def digests(self) -> dict[str, Digest]:
        """The digest of each field and type."""
        return {name: each for name, each in self._digester.digests.items() if name != KEY and each.values}


def _points(batch: pa.RecordBatch, schema: MeasurementSchema) -> PointBatch:
    """Convert rows of a source to points."""
    times = batch.column(schema.time).cast(pa.timestamp("ns")).view(pa.int64())
    fields = [column for column in schema.columns if column.role is Role.FIELD]
    return PointBatch(
        times,
        {name: batch.column(name) for name in schema.tags},
        tuple((column.variant_of or column.name, batch.column(column.name)) for column in fields),
    )


def _differences(ours: _Side, theirs: _Side) -> Iterator[str]:
    if ours.unknown_tags:
        yield f"the target has no tag {', '.join(map(repr, sorted(ours.unknown_tags)))}"
    lake_digests, target_digests = ours.digests, theirs.digests
    differing = [
        name for name in sorted({*lake_digests, *target_digests}) if lake_digests.get(name) != target_digests.get(name)
    ]
    for name in differing:
        kind, _, field = name.partition(" ")
        values, found = (side.get(name, Digest()).values for side in (lake_digests, target_digests))
        if values != found:
            yield f"the field {field!r} ({kind}) has {values:,} values in the lake and {found:,} in the target"
        else:
            yield f"values of the field {field!r} ({kind}) differ, or belong to other points"
