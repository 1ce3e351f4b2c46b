"""Reads the points of windows from a snapshot of the table, in a deterministic order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import ConfigurationError, GuardError
from influx_lake.iceberg.columns.known_columns import actual, as_known
from influx_lake.iceberg.history.rollback import snapshot_at
from influx_lake.iceberg.history.snapshot_view import as_of
from influx_lake.iceberg.scan.reader import open_table, read_windows
from influx_lake.iceberg.table_state import table_state
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.rows.layout import PointLayout
from influx_lake.restore.rows.names import AS_STORED, DeclaredColumns
from influx_lake.restore.rows.reverse_mapping import point_layout

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class LakePoints:
    """The points of a measurement in the lake, as of a snapshot.

    Attributes:
        table: The table, as of the snapshot.
        snapshot_id: The snapshot.
        measurement: The measurement.
        layout: How rows become points.
        windows: The windows to restore, oldest first.
        not_loaded: Windows of the range that the lake does not cover completely.
    """

    table: Table
    snapshot_id: int
    measurement: Measurement
    layout: PointLayout
    windows: tuple[Window, ...]
    not_loaded: tuple[Window, ...]

    @property
    def table_uuid(self) -> str:
        """The table's UUID, which differs for a table recreated under the same name."""
        return str(self.table.metadata.table_uuid)

    def points(self, window: Window) -> Iterator[tuple[int, PointBatch]]:
        """Yield the points of a window, each batch with the index of its first point.

        Raises:
            CatalogError: The table cannot be read.
            DataRefused: A transform of a value cannot be undone.
        """
        layout, place = self.layout, 0
        rows = read_windows(
            self.table, [window], self.measurement.time_column, layout.columns, encoded=tuple(layout.texts)
        )
        for batch in rows:
            for points in layout.points(batch):
                yield place, points
                place += len(points)

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        measurement: Measurement,
        start: datetime | None,
        end: datetime | None,
        declared: DeclaredColumns,
        *,
        snapshot: int | str | datetime | None = None,
        as_stored: bool = False,
    ) -> LakePoints:
        """Select the points to restore.

        Args:
            catalog: The catalog.
            measurement: The measurement.
            start: The start of the range, inclusive; None: the lake's first window.
            end: The end of the range, exclusive; None: the end of its last window.
            declared: The columns of the measurement's source, where the table does not tell them.
            snapshot: The snapshot: an id, a tag or branch, or a time; None: the current one.
            as_stored: Whether the table's values are written as they are, without undoing transforms.

        Raises:
            ConfigurationError: There is no such snapshot, the range is empty, or a transform cannot be undone.
            GuardError: The lake covers nothing of the range, or loaded it under another definition than lake.yaml has
                now.
        """
        table = open_table(catalog, measurement.identifier, measurement.share)
        if snapshot is not None:
            table = as_known(as_of(table, snapshot_at(actual(table), snapshot)), share=measurement.share)
        current = table.current_snapshot()
        if current is None:
            raise GuardError(f"{measurement.table_name} holds nothing yet: there is nothing to restore")
        state = table_state(table)
        held = [*state.coverage.intervals, *state.coverage.tails]
        windows = tuple(_windows(measurement, held, start, end))
        if not windows:
            loaded_range = (
                f"from {utc_text(held[0].start)} to {utc_text(max(each.end for each in held))}" if held else "none"
            )
            raise GuardError(
                f"the lake holds no window of {measurement.key} in this range; it holds {loaded_range}",
                remedy="Name a range that it holds: influx-lake status",
            )
        outdated = [each for each in windows if each.overlaps_any(state.outdated_under(measurement.definition))]
        if outdated and not as_stored:
            raise GuardError(
                f"{len(outdated):,} of {len(windows):,} windows were loaded under other options for columns and rows "
                f"than lake.yaml has now, {outdated[0]} first: what they did cannot be undone by those of now",
                remedy=f"Load them again (influx-lake replicate {measurement.key} --changed), or restore with the "
                f"lake.yaml of then; or: {AS_STORED}",
            )
        layout = point_layout(table, measurement, declared, as_stored=as_stored)
        whole = [each for each in windows if not any(interval.contains(each) for interval in held)]
        return cls(table, current.snapshot_id, measurement, layout, windows, tuple(whole))


def _windows(
    measurement: Measurement, held: list[Window], start: datetime | None, end: datetime | None
) -> Iterator[Window]:
    """The partitions that the lake covers, at least in part, cut to the range."""
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"the range is empty: it starts at {utc_text(start)} and ends at {utc_text(end)}")
    if not held:
        return
    first, last = min(each.start for each in held), max(each.end for each in held)
    begin, until = max(start or first, first), min(end or last, last)
    if begin >= until:
        return
    if begin < measurement.scheme.start:
        # Windows before the first partition, which were loaded manually.
        before = Window(begin, min(until, measurement.scheme.start))
        for each in held:
            if before.overlaps(each):
                yield Window(max(each.start, before.start), min(each.end, before.end))
    for window in measurement.scheme.windows(begin, until):
        cut = Window(max(window.start, begin), min(window.end, until))
        if cut.overlaps_any(held):
            yield cut


def fingerprint(layout: PointLayout) -> str:
    """A text that changes with anything that points are made from."""
    names = {kind: [(part.column, part.name) for part in getattr(layout, kind, ())] for kind in ("tags", "fields")}
    return f"{layout.columns} {names}"


def field_column(name: str, kind: pa.DataType) -> str:
    """The name of the column with a field's values in `PointBatch` comparisons."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return f"{plain} {name}"
