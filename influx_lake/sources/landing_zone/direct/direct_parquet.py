"""Reads windows of landed Parquet directly: row groups in order of time, each point once.

If the columns and times of files do not allow it, the files are staged, from the time on where that shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.source_schema import TIME, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowInterrupted
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.landing_zone.columns import NotPlain, PointColumns
from influx_lake.sources.landing_zone.direct.point_order import TAG, in_order, tag_of, times_of, within
from influx_lake.sources.landing_zone.file_parser import row_group_points
from influx_lake.sources.landing_zone.folders import LandedFile
from influx_lake.sources.landing_zone.footers import FileColumns, RowGroup
from influx_lake.sources.points.direct_rows import NotDirect
from influx_lake.sources.points.rows import sliced
from influx_lake.sources.points.wanted_columns import WantedColumns
from influx_lake.sources.points.window_rows import nanoseconds

_ROWS_AT_ONCE = 131_072
"""Up to this many rows of consecutive row groups are read together."""
_MOST_VALUES, _MOST_BYTES = 8_000_000, 64_000_000
"""Larger row groups do not fit into memory together."""


@dataclass(frozen=True, slots=True)
class DirectFile:
    """A file, and the contents of its footer.

    Attributes:
        landed: The file.
        columns: Its columns and row groups.
        reach: The time range allowed for its points.
    """

    landed: LandedFile
    columns: FileColumns
    reach: Window

    @property
    def is_plain(self) -> bool:
        """Whether there is no remark about the file for which its values have to be examined."""
        return not self.columns.fills_gaps and not self.reaches_beyond(*nanoseconds(self.reach))

    def reaches_beyond(self, begin: int, end: int) -> bool:
        """Whether it may have points outside [begin, end)."""
        groups = self.columns.row_groups
        return groups is None or any(each.first < begin or each.last >= end for each in groups)


class DirectFiles(Protocol):
    """Parquet files, each of one measurement."""

    @property
    def config(self) -> LandingZoneConfig:
        """The options of their columns."""
        ...

    def direct(self, window: Window, measurement: str) -> list[DirectFile] | None:
        """The files that a window needs; None if they have to be staged.

        Raises:
            SourceError: They cannot be listed.
        """
        ...

    def stage(self, landed: Sequence[LandedFile]) -> None:
        """Stage files."""
        ...


class DirectParquet:
    """A `DirectReader` of Parquet files.

    Args:
        files: The files.
    """

    def __init__(self, files: DirectFiles) -> None:
        self._files = files
        self._read: dict[str, DirectFile] = {}
        self._not_direct = set[str]()

    def rows(self, wanted: WantedColumns, window: Window) -> Iterable[pa.RecordBatch] | None:
        if all(column.role is not Role.FIELD for column, _ in wanted.columns):
            return None
        files = self._files.direct(window, wanted.schema.measurement)
        if files is None or not all(_fits(each.columns, wanted) for each in files):
            return None
        identities = {each.landed.file.identity for each in files}
        if identities & self._not_direct:
            return None
        self._read |= {each.landed.file.identity: each for each in files}
        return self._batches(files, wanted, window)

    def stage_beyond(self, begin: int, end: int) -> None:
        if any(each.reaches_beyond(begin, end) for each in self._read.values()):
            self._files.stage([each.landed for each in self._read.values()])
            self._read.clear()

    def _batches(self, files: Sequence[DirectFile], wanted: WantedColumns, window: Window) -> Iterator[pa.RecordBatch]:
        begin, end = nanoseconds(window)
        reader = _Reader(self._files.config, files, wanted)
        try:
            for cluster in _clusters(files, begin, end):
                for batch in reader.batches(cluster, begin):
                    if len(inside := within(batch, begin, end)):
                        yield inside
        except (NotDirect, WindowInterrupted):
            self._not_direct |= {each.landed.file.identity for each in files}
            raise


def _fits(columns: FileColumns, wanted: WantedColumns) -> bool:
    """Whether each column of a file has a column that takes all of its values."""
    return columns.tags <= wanted.tags and all(
        wanted.types.get(name) == {kind} and name not in wanted.tags for name, kind in columns.fields.items()
    )


class _Part(NamedTuple):
    """A row group of a file, which is given by its index among the files that are read."""

    file: int
    group: RowGroup


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Row groups that overlap in time, or several consecutive ones; no other row group has points of their time.

    Attributes:
        first: The time that they begin with.
        last: The time that they end with.
        parts: The row groups, in the order of precedence.
    """

    first: int
    last: int
    parts: list[_Part]

    @property
    def rows(self) -> int:
        return sum(part.group.rows for part in self.parts)

    @property
    def size(self) -> int:
        return sum(part.group.size for part in self.parts)


def _clusters(files: Sequence[DirectFile], begin: int, end: int) -> Iterator[_Cluster]:
    """The row groups of a time range; overlapping ones are combined, and so are small consecutive ones."""
    parts = [
        _Part(number, group)
        for number, each in enumerate(files)
        for group in each.columns.row_groups or ()
        if group.last >= begin and group.first < end
    ]
    waiting: list[_Cluster] = []
    for part in sorted(parts, key=lambda part: (part.group.first, part.file, part.group.number)):
        group = part.group
        if waiting and group.first <= waiting[-1].last:
            before = waiting.pop()
            waiting.append(_Cluster(before.first, max(before.last, group.last), [*before.parts, part]))
            continue
        rows = sum(map(attrgetter("rows"), waiting))
        if waiting and rows + group.rows > _ROWS_AT_ONCE:
            yield _together(waiting)
            waiting = []
        waiting.append(_Cluster(group.first, group.last, [part]))
    if waiting:
        yield _together(waiting)


def _together(clusters: Sequence[_Cluster]) -> _Cluster:
    parts = sorted((part for each in clusters for part in each.parts), key=lambda part: (part.file, part.group.number))
    return _Cluster(clusters[0].first, clusters[-1].last, parts)


@dataclass(frozen=True)
class _Reader:
    """Reads row groups.

    Attributes:
        config: The options of the columns.
        files: The files.
        wanted: The columns to read.
    """

    config: LandingZoneConfig
    files: Sequence[DirectFile]
    wanted: WantedColumns

    @cached_property
    def _passed_on(self) -> list[str]:
        """The names in files of the columns that are read."""
        return [TIME if column.role is Role.TIME else name for column, name in self.wanted.columns]

    @cached_property
    def _schema(self) -> pa.Schema:
        """The time, all tags, which identify points, and the fields that are read."""
        fields = {name: ARROW_TYPES[column.type] for column, name in self.wanted.columns if column.role is Role.FIELD}
        tags = dict.fromkeys(sorted(self.wanted.tags), TAG)
        return pa.schema({TIME: pa.timestamp("ns"), **tags, **fields})

    def batches(self, cluster: _Cluster, begin: int) -> Iterator[pa.RecordBatch]:
        """The rows of row groups, sorted by time.

        Raises:
            NotDirect: All rows, or those from some time on, have to be staged.
            SourceError: A file cannot be read.
        """
        reached = max(begin, cluster.first)
        try:
            for rows in self._in_order(cluster):
                for batch in rows.select(self._passed_on).to_batches():
                    yield from sliced(pa.RecordBatch.from_arrays(batch.columns, schema=self.wanted.read))
                reached = max(reached, rows.column(TIME)[-1].value + 1) if len(rows) else reached
        except NotPlain:
            raise NotDirect(reached) from None

    def _in_order(self, cluster: _Cluster) -> Iterator[pa.Table]:
        values = cluster.rows * len(self._schema)
        if values > _MOST_VALUES or cluster.size > _MOST_BYTES:
            yield from self._in_turn(cluster)
        else:
            yield in_order(pa.concat_tables(self._tables(cluster)), self.wanted.tags)

    def _in_turn(self, cluster: _Cluster) -> Iterator[pa.Table]:
        """The rows of a single row group that is already sorted by time."""
        if len(cluster.parts) > 1:
            raise NotPlain
        held = self._schema.empty_table()
        for fresh in self._tables(cluster):
            rows = pa.concat_tables([held, fresh])
            time = times_of(rows)
            if (np.diff(time) < 0).any():
                raise NotPlain
            # The next rows may have the time of the last one.
            cut = int(np.searchsorted(time, time[-1]))
            if len(rows) - cut > _ROWS_AT_ONCE:
                raise NotPlain
            rows = in_order(rows, self.wanted.tags)
            yield rows.slice(0, cut)
            held = rows.slice(cut)
        yield held

    def _tables(self, cluster: _Cluster) -> Iterator[pa.Table]:
        """The rows of row groups, file by file, with all tags and the fields that are read."""
        left_out = self.wanted.left_out
        for number in dict.fromkeys(part.file for part in cluster.parts):
            file = self.files[number]
            groups = [part.group.number for part in cluster.parts if part.file == number]
            for points in row_group_points(self.config, file.landed, file.columns, groups, left_out):
                if points is None or (points.empty and not left_out):
                    raise NotPlain
                if len(points.time):
                    self._check_times(file, cluster, points)
                    yield self._table(points)

    def _check_times(self, file: DirectFile, cluster: _Cluster, points: PointColumns) -> None:
        """Make sure that rows are in the time range of the footer, by which the row groups were chosen."""
        if int(points.time.min()) < cluster.first:
            # Other rows of these times were already passed on.
            raise WindowInterrupted(
                f"{file.landed.file.uri} has points earlier than the first time in its footer",
                remedy="Load the window again: the file is then read as a whole",
            )
        if int(points.time.max()) > cluster.last:
            raise NotPlain

    def _table(self, points: PointColumns) -> pa.Table:
        fields = {name: next(iter(column.values.values())) for name, column in points.fields.items()}
        columns = {TIME: pa.array(points.time), **{name: tag_of(tag) for name, tag in points.tags.items()}, **fields}
        missing = len(points.time)
        rows = pa.table(
            [
                columns[each.name].cast(each.type) if each.name in columns else pa.nulls(missing, each.type)
                for each in self._schema
            ],
            schema=self._schema,
        )
        return rows.filter(pa.array(points.has_values)) if points.empty else rows
