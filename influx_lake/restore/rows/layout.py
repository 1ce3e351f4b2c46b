"""How rows of a table map to points, for wide and long tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.shared_tables import METRIC, TAGS
from influx_lake.errors import DataRefused
from influx_lake.iceberg.columns.timestamps import epoch_nanoseconds
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.rows.names import unshared

Undo = Callable[[pa.Array], pa.Array]
"""Converts values of the table to the values that InfluxDB had.

Raises:
    DataRefused: It cannot be told which they were.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A column of the table that holds a tag or a field.

    Attributes:
        column: The column's name, as loads use it.
        name: The name of the tag or field in InfluxDB.
        undo: Converts its values back; None: they are the same.
    """

    column: str
    name: str
    undo: Undo | None = None

    def values(self, batch: pa.RecordBatch) -> pa.Array:
        """The values of some rows, converted back."""
        values = batch.column(self.column)
        return values if self.undo is None else self.undo(values)


@dataclass(frozen=True, slots=True)
class Times:
    """The time columns.

    Attributes:
        column: The name of the time column.
        whole: The name of the column with nanoseconds; None where there is none.
    """

    column: str
    whole: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.whole is None else (self.column, self.whole)

    def of(self, batch: pa.RecordBatch) -> pa.Array:
        """The times of some rows, in nanoseconds since 1970."""
        times = epoch_nanoseconds(self.column, batch.column(self.column))
        # Rows older than the column have whole microseconds.
        return times if self.whole is None else pc.coalesce(batch.column(self.whole), times)


class PointLayout(Protocol):
    """How rows of a table map to points."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns to read."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of them to read as dictionaries."""
        ...

    @property
    def left_out(self) -> Mapping[str, str]:
        """The columns that are not read, with the reasons."""
        ...

    def points(self, batch: pa.RecordBatch) -> Iterator[PointBatch]:
        """Convert rows to points.

        Raises:
            DataRefused: A transform of a value cannot be undone.
        """
        ...


@dataclass(frozen=True, slots=True)
class WideLayout:
    """A wide table: each row is a point.

    Attributes:
        times: The time columns.
        tags: The tag columns.
        fields: The field columns.
        left_out: See `PointLayout`.
        texts: See `PointLayout`.
    """

    times: Times
    tags: tuple[Part, ...]
    fields: tuple[Part, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.times.columns, *(each.column for each in (*self.tags, *self.fields)))

    def points(self, batch: pa.RecordBatch) -> Iterator[PointBatch]:
        yield PointBatch(
            self.times.of(batch),
            {each.name: each.values(batch) for each in self.tags},
            tuple((each.name, each.values(batch)) for each in self.fields),
        )


@dataclass(frozen=True, slots=True)
class LongLayout:
    """A long table: each row is one value. Points of a batch have one field each, field by field.

    Attributes:
        times: The time columns.
        values: The value columns.
        tag_name: Maps a key of the tags to the tag's name in InfluxDB.
        field_name: Maps a field to its name in InfluxDB.
        undo: Converts values back: takes the field's name, the column's name and the values.
        shares_names: Whether a field may have a tag's name, and then is `name__field` here.
        left_out: See `PointLayout`.
    """

    times: Times
    values: tuple[str, ...]
    tag_name: Callable[[str], str]
    field_name: Callable[[str], str]
    undo: Callable[[str, str, pa.Array], pa.Array]
    shares_names: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.times.columns, TAGS, METRIC, *self.values)

    @property
    def texts(self) -> tuple[str, ...]:
        return (METRIC,)

    def points(self, batch: pa.RecordBatch) -> Iterator[PointBatch]:
        metrics = batch.column(METRIC)
        if not pa.types.is_dictionary(metrics.type):
            metrics = metrics.dictionary_encode()
        codes = np.asarray(metrics.indices)
        for code, metric in enumerate(metrics.dictionary.to_pylist()):
            rows = batch.take(pa.array(np.flatnonzero(codes == code)))
            if not len(rows):
                continue
            name = self.field_name(metric)
            held = {column: rows.column(column) for column in self.values}
            fields = tuple(
                (name, self.undo(name, column, values))
                for column, values in held.items()
                if values.null_count < len(values)
            )
            tags = self._tags(rows.column(TAGS))
            if self.shares_names:
                fields = tuple((unshared(name, tags), values) for name, values in fields)
            yield PointBatch(self.times.of(rows), tags, fields)

    def _tags(self, maps: pa.Array) -> dict[str, pa.Array]:
        """The entries of maps as one column for each key."""
        offsets = np.asarray(maps.offsets)
        begin, end = int(offsets[0]), int(offsets[-1])
        keys, items = maps.keys.slice(begin, end - begin).dictionary_encode(), maps.items.slice(begin, end - begin)
        owners = np.repeat(np.arange(len(maps)), np.diff(offsets))
        codes, found = np.asarray(keys.indices), dict[str, pa.Array]()
        for code, key in enumerate(keys.dictionary.to_pylist()):
            entries = np.flatnonzero(codes == code)
            places = np.full(len(maps), -1, np.int64)
            places[owners[entries]] = entries
            if len(np.unique(owners[entries])) != len(entries):
                raise DataRefused(f"a row has the tag {key!r} twice in its column {TAGS!r}")
            found[self.tag_name(key)] = items.take(pa.array(places, mask=places < 0))
        return found
