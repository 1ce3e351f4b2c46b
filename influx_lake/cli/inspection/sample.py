"""Sample rows of a window as their table would have them, for `influx-lake preview`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.cli.inspection.columns import shaped
from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import SchemaConflict, naming
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.row_mapping import Shape, shape_of
from influx_lake.iceberg.columns.timestamps import FineTimesMet
from influx_lake.iceberg.target import TableTarget
from influx_lake.sources.protocol import Source
from influx_lake.transforms import transformed

_FIRST_PART = 256
"""The first part to query is the window divided by this; each further part is four times as long."""
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """Sample rows of a window.

    Attributes:
        rows: The rows, with the table's schema.
        read: The interval that was read.
        quarantined: The number of other rows in it that would go to the quarantine.
    """

    rows: pa.Table
    read: Window
    quarantined: int


def sample(source: Source, measurement: Measurement, window: Window, rows: int) -> Sample:
    """Read the first rows of a window; nothing is written, and the catalog is not contacted.

    Args:
        source: The source.
        measurement: The measurement.
        window: The window.
        rows: The most rows.

    Raises:
        LakeError: As loading the window would.
    """
    with naming(measurement.name, window):
        shaping = transformed(source, measurement)
        schema = shaping.schema(measurement.name)
        target, _ = shaped(measurement, schema)
        found = _Rows(target, rows)
        read = window
        for part in _parts(window):
            with shaping.read(schema, part) as stream:
                found.start(stream.schema)
                for batch in stream:
                    found.add(batch)
                    if found.is_full:
                        break
            read = Window(window.start, part.end)
            if found.is_full:
                break
        return Sample(found.table(), read, found.quarantined)


def _parts(window: Window) -> Iterator[Window]:
    """The window in growing parts: most have rows in the first, and an empty one needs few queries."""
    length = max((window.end - window.start) / _FIRST_PART, _SHORTEST)
    start = window.start
    while start < window.end:
        end = min(start + length, window.end)
        yield Window(start, end)
        start, length = end, length * 4


class _Rows:
    """The rows read so far, unshaped: a time with nanoseconds changes the shape of all of them."""

    def __init__(self, target: TableTarget, count: int) -> None:
        self.quarantined = 0
        self._target = target
        self._count = count
        self._layout: pa.Schema | None = None
        self._batches: list[pa.RecordBatch] = []

    @property
    def is_full(self) -> bool:
        return sum(len(batch) for batch in self._batches) >= self._count

    def start(self, layout: pa.Schema) -> None:
        self._layout = layout

    def add(self, batch: pa.RecordBatch) -> None:
        misfits = self._shape(self._target).misfits
        if misfits:
            values = [pc.is_valid(batch.column(each.column)) for each in misfits]
            refused = [
                each.reason for each, there in zip(misfits, values, strict=True) if each.refused and there.true_count
            ]
            if refused:
                raise SchemaConflict(
                    f"one column of {self._target.name} cannot hold what the source has: {'; '.join(refused)}",
                    remedy="Set on_type_conflict: new_column, which gives each type a column, or quarantine",
                )
            unfit = reduce(pc.or_, values)
            self.quarantined += unfit.true_count
            batch = batch.filter(pc.invert(unfit))
        left = self._count - sum(len(each) for each in self._batches)
        if len(batch):
            self._batches.append(batch.slice(0, left))

    def table(self) -> pa.Table:
        try:
            return self._laid(self._target)
        except FineTimesMet:
            return self._laid(replace(self._target, with_nanoseconds=True))

    def _laid(self, target: TableTarget) -> pa.Table:
        shape = self._shape(target)
        return pa.Table.from_batches([shape.apply(batch) for batch in self._batches], shape.schema)

    def _shape(self, target: TableTarget) -> Shape:
        assert self._layout is not None
        return arranged(shape_of(self._layout, target), self._layout, target)
