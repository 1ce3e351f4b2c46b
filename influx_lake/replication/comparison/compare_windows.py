"""Compares windows of source and lake by row count, column profile or value digests, and gives each a verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from influx_lake import recorder
from influx_lake.config import Measurement, OnChangedValues, OnShrink, WriteMode
from influx_lake.config.lake.table_names import QUARANTINE_SUFFIX
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window, merged
from influx_lake.errors import MeasurementNotFound, naming
from influx_lake.iceberg.history.branch_catalog import branch_of
from influx_lake.iceberg.proofs.offloaded import is_offloaded, offloaded_from
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.table_state import ForeignChange
from influx_lake.replication.comparison.difference_causes import missed_corrections, others_in, weighed_windows
from influx_lake.replication.comparison.late_after_offload import late_points, source_counts
from influx_lake.replication.corrections.evidence import Evidence, Newer, policy_of
from influx_lake.replication.foreign_changes import replacing, told_of
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.removed.offloaded import check_held
from influx_lake.replication.table_columns import check_takes_loads
from influx_lake.sources.protocol import Source
from influx_lake.sources.window_counts import counts_of
from influx_lake.transforms import transformed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.replication.comparison.value_digests import ValueComparison


class Verdict(StrEnum):
    """How the lake's rows of a window compare with the source's."""

    EQUAL = "equal"
    BEHIND = "behind"
    """The source has more rows: late points, or a window that was never loaded."""
    SHRANK = "shrank"
    """The source has fewer rows, and neither `on_shrink`, `write.mode` nor `shrink_tolerance` allows that."""
    ADDED = "added"
    """The lake has more rows, and other writers are known to have added rows to the window."""
    CHANGED = "changed"
    """Both have the same number of rows, and columns have other values."""


class Depth(StrEnum):
    """How closely a window with the same number of rows on both sides is compared."""

    ROWS = "rows"
    """Row counts only."""
    PROFILE = "profile"
    """The profile of each column: count, minimum, maximum and sum."""
    VALUES = "values"
    """Value by value, by digests of the rows of both sides."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of a window's source and lake.

    Attributes:
        measurement: The measurement.
        window: The window.
        source_rows: The number of rows in the source.
        lake_rows: The number of rows in the lake, including those in quarantine.
        changed: The columns whose values differ, where they were compared.
        policy: The effective `on_changed_values`.
        evidence: Which side is newer, where values differ and the policy depends on it.
        others: The foreign changes of the window, where the lake has more rows and other writers added some; None: no
            such rows are known.
        values: The result of comparing value by value, where that was done.
        late: For an off-loaded window: how many rows the source has that the lake lacks. None: it is not off-loaded.
    """

    measurement: Measurement
    window: Window
    source_rows: int
    lake_rows: int
    changed: tuple[str, ...] = ()
    policy: OnChangedValues = OnChangedValues.LOAD
    evidence: Evidence | None = None
    others: tuple[ForeignChange, ...] | None = None
    values: ValueComparison | None = None
    late: int | None = None

    def __str__(self) -> str:
        return f"{self.window} (source {self.source_rows:,}, lake {self.lake_rows:,})"

    @property
    def source_version(self) -> str:
        """The data version of the source's window, as Dagster records it."""
        return f"{self.source_rows} rows{', others in ' + ', '.join(self.changed) if self.changed else ''}"

    @property
    def lake_version(self) -> str:
        """The data version of the lake's window."""
        return f"{self.lake_rows} rows"

    @property
    def explanation(self) -> str:
        """The difference in words, and what to do about it."""
        match self.verdict:
            case Verdict.EQUAL:
                return self._equality
            case Verdict.BEHIND:
                lacks = counted(self.source_rows - self.lake_rows, "row")
                return self._lateness if self.late is not None else f"the lake lacks {lacks}: {self._cure}"
            case Verdict.CHANGED if self.evidence is not None:
                return f"other {self._other_values}, and as many rows: {self.evidence.reason}; {self._next_step}"
            case Verdict.CHANGED:
                return f"other {self._other_values}: {self._cure}"
            case Verdict.SHRANK:
                lost = counted(self.lake_rows - self.source_rows, "row")
                return f"the source lost {lost} that the lake has (on_shrink: {self.measurement.on_shrink})"
            case Verdict.ADDED:
                return (
                    f"{self._more}, and others added rows there: {told_of(self.others or ())}. "
                    f"To have the source's rows alone: {self._replacing}"
                )

    @property
    def _lateness(self) -> str:
        return (
            f"the window was off-loaded, and the source got {counted(self.late or 0, 'row')} since that the lake does "
            "not have: load the window again, which adds them"
        )

    @property
    def is_curable(self) -> bool:
        """Whether loading the window again would make it equal."""
        if self.measurement.write.mode is WriteMode.APPEND:
            return False
        if self.verdict is Verdict.CHANGED and self.evidence is not None:
            asked = self.policy is OnChangedValues.ARCHIVE
            return asked and (self.evidence.archived or self.evidence.newer is Newer.SOURCE)
        if self.verdict is Verdict.ADDED and self.measurement.write.mode is WriteMode.UPSERT:
            return False
        return self.verdict in (Verdict.BEHIND, Verdict.CHANGED) or (
            self.verdict in (Verdict.SHRANK, Verdict.ADDED) and self.measurement.on_shrink is OnShrink.REPLACE
        )

    @property
    def kept_rows(self) -> int:
        """How many rows the lake has more than the source, where that is allowed."""
        return max(0, self.lake_rows - self.source_rows) if self.verdict is Verdict.EQUAL else 0

    @property
    def is_as_archived(self) -> bool:
        """Whether the lake has the archive's values, and the policy is to have these."""
        asked = self.policy is OnChangedValues.ARCHIVE
        return asked and bool(self.changed) and self.evidence is not None and self.evidence.as_archived

    @property
    def _other_values(self) -> str:
        return f"values in {', '.join(self.changed)}"

    @property
    def _next_step(self) -> str:
        """What is done about changed values, and the alternatives."""
        if self.policy is OnChangedValues.ARCHIVE and self.evidence is not None:
            if self.is_curable:
                origin = f"the archive {self.measurement.archive}" if self.evidence.archived else "the source"
                return f"load the window again: it is taken from {origin}"
            return f"the archive {self.measurement.archive} does not have all of its points yet, so it is not loaded"
        return (
            "on_changed_values: report loads nothing by itself. Load the window once with `load` to have the source's "
            "values, or set `archive`"
        )

    @property
    def _equality(self) -> str:
        if self.is_as_archived:
            return f"as in the archive {self.measurement.archive}; the source shows other {self._other_values}"
        if self.late is not None:
            return f"{self._more}, which {self._reason_for_more}" if self.kept_rows else "equal"
        if self.kept_rows:
            return f"{self._more}, which {self._reason_for_more}. If the source never had them: {self._replacing}"
        return "equal"

    @property
    def _more(self) -> str:
        return f"the lake has {counted(self.lake_rows - self.source_rows, 'row')} more than the source"

    @property
    def _reason_for_more(self) -> str:
        """What allows the lake to have more rows."""
        if self.late is not None:
            return "were off-loaded: deleted at the source on purpose"
        if self.measurement.write.mode is not WriteMode.REPLACE:
            return f"write.mode: {self.measurement.write.mode} keeps"
        if self.measurement.on_shrink is OnShrink.MERGE:
            return "on_shrink: merge keeps"
        return f"shrink_tolerance: {self.measurement.shrink_tolerance} lets pass"

    @property
    def _replacing(self) -> str:
        return replacing(self.measurement, self.window.start, self.window.end)

    @property
    def _cure(self) -> str:
        if self.is_curable:
            return "load the window again"
        return f"write.mode: append never looks at a time again; {self._replacing}"

    @property
    def verdict(self) -> Verdict:
        """The verdict. The lake may have more rows where the source's deleted points are kept."""
        more = self.lake_rows - self.source_rows
        if more < 0 or self.late:
            return Verdict.BEHIND
        if self.late is not None and more:
            return Verdict.EQUAL
        if self.changed and not self.is_as_archived:
            return Verdict.CHANGED
        if more and self.others is not None:
            return Verdict.ADDED
        return Verdict.EQUAL if more == 0 or self._may_have_more(more) else Verdict.SHRANK

    def _may_have_more(self, more: int) -> bool:
        measurement = self.measurement
        keeps = measurement.on_shrink is OnShrink.MERGE or measurement.write.mode is not WriteMode.REPLACE
        return keeps or measurement.shrink_tolerance.allows(more, self.lake_rows)


def compare_windows(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    windows: Sequence[Window],
    *,
    depth: Callable[[Window], Depth] = lambda window: Depth.ROWS,
    archive: Source | None = None,
) -> list[Comparison]:
    """Compare windows by one counting query on the source and the table's metadata, and closer where `depth` asks for
    it.

    Where the source seems to have lost rows it is queried again: servers may miss rows for a moment while they persist
    them.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement.
        windows: The windows, oldest first, which do not overlap.
        depth: How closely to compare a window with the same number of rows on both sides.
        archive: The source with the files that the server persisted, which tells the values written last.

    Raises:
        LakeError: Source or lake cannot be read.
    """
    with naming(measurement.name):
        table = find_table(catalog, measurement.identifier, measurement.share)
        measurement = without_erased_from(measurement, table)
        source = transformed(source, measurement)
        archive = archive and transformed(archive, measurement)
        # Equal row counts would hide columns that other tools dropped.
        check_takes_loads(source, catalog, measurement)
        held = lake_counts(catalog, measurement, windows)
        gone = {window for window in windows if is_offloaded(table, window)}
        if gone:
            # Two empty sides would compare equal although off-loaded rows are missing.
            check_held(measurement, table, *gone)
        vacant = (
            {window for window, rows in zip(windows, held, strict=True) if not rows} if offloaded_from(table) else ()
        )
        found = source_counts(source, measurement, windows, {*gone, *vacant})
        short = [place for place, rows in enumerate(found) if rows < held[place] and windows[place] not in gone]
        if short:
            again = counts_of(source, measurement.name, [windows[place] for place in short])
            for place, rows in zip(short, again, strict=True):
                found[place] = max(found[place], rows)
        # Empty windows are proved by reading, since counts may be wrong.
        alike = {
            window: depth(window) if rows else Depth.VALUES
            for window, rows, there in zip(windows, found, held, strict=True)
            if rows == there and (rows or depth(window) is Depth.VALUES)
        }
        empty = {window for window, rows in zip(windows, found, strict=True) if not rows}
        values = _values(source, catalog, measurement, alike, empty)
        changed = _profiled(source, catalog, measurement, alike)
        changed |= {window: each.differing for window, each in values.items()}
        differing = {window: columns for window, columns in changed.items() if columns}
        policy = policy_of(measurement, source) if differing else OnChangedValues.LOAD
        weighed = (
            {} if policy is OnChangedValues.LOAD else weighed_windows(source, catalog, measurement, differing, archive)
        )
        equal = [window for window, columns in changed.items() if not columns]
        for window, (columns, evidence) in missed_corrections(source, catalog, measurement, equal, archive).items():
            changed[window], weighed[window], policy = columns, evidence, OnChangedValues.ARCHIVE
        more = [window for window, rows, there in zip(windows, found, held, strict=True) if there > rows]
        others = others_in(catalog, measurement, more)
        late = {
            window: late_points(source, table, measurement, window).missing if rows else 0
            for window, rows, there in zip(windows, found, held, strict=True)
            if table is not None and window in gone and rows != there
        }
    sides = zip(windows, found, held, strict=True)
    comparisons = [
        Comparison(
            measurement,
            window,
            rows,
            there,
            changed.get(window, ()),
            policy,
            weighed.get(window),
            others.get(window),
            values.get(window),
            late.get(window),
        )
        for window, rows, there in sides
    ]
    if (told := recorder.recorder()) is not None and branch_of(catalog) is None:
        for each in comparisons:
            told.compared(measurement.full_name, each.window, str(each.verdict), each.source_rows, each.lake_rows)
    return comparisons


def _profiled(
    source: Source, catalog: Catalog, measurement: Measurement, depths: Mapping[Window, Depth]
) -> dict[Window, tuple[str, ...]]:
    """The columns of each window whose profiles differ.

    Windows with rows in quarantine are left out, since profiles are of all rows.
    """
    from influx_lake.replication.changed_values import changed_columns

    profiled = [window for window, depth in depths.items() if depth is Depth.PROFILE]
    table = find_table(catalog, measurement.identifier, measurement.share) if profiled else None
    if table is None:
        return {}
    if measurement.has_quarantine:
        inside = count_by_window(table, profiled, measurement.time_column)
        all_of = lake_counts(catalog, measurement, profiled)
        profiled = [window for window, rows, every in zip(profiled, inside, all_of, strict=True) if rows == every]
    return dict(zip(profiled, changed_columns(source, table, measurement, profiled), strict=True))


def _values(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    depths: Mapping[Window, Depth],
    empty: Collection[Window],
) -> dict[Window, ValueComparison]:
    """Compare windows value by value; none where the source no longer has the measurement, and so no rows.

    Consecutive empty windows are read as one: there may be years of them.
    """
    from influx_lake.replication.comparison.value_digests import compare_values

    windows = [window for window, depth in depths.items() if depth is Depth.VALUES]
    table = find_table(catalog, measurement.identifier, measurement.share) if windows else None
    if table is None:
        return {}
    vacant = [window for window in windows if window in empty]
    found: dict[Window, ValueComparison] = {}
    try:
        stretches = merged(vacant)
        for stretch, told in zip(stretches, compare_values(source, table, measurement, stretches), strict=True):
            if not told.differing and not told.lake.rows:
                found |= {window: told for window in vacant if stretch.start <= window.start < stretch.end}
        closely = [window for window in windows if window not in found]
        return found | dict(zip(closely, compare_values(source, table, measurement, closely), strict=True))
    except MeasurementNotFound:
        if set(windows) == set(vacant):
            return {}
        raise


def lake_counts(catalog: Catalog, measurement: Measurement, windows: Sequence[Window]) -> list[int]:
    """The number of rows that the lake holds for each window, including those in quarantine.

    Raises:
        LakeError: The catalog or a table cannot be read.
    """
    counts = _counts(catalog, measurement, measurement.table, windows, measurement.time_column)
    if not measurement.has_quarantine:
        return counts
    aside = _counts(catalog, measurement, measurement.table + QUARANTINE_SUFFIX, windows)
    return [rows + more for rows, more in zip(counts, aside, strict=True)]


def _counts(
    catalog: Catalog, measurement: Measurement, table_name: str, windows: Sequence[Window], time_column: str = TIME
) -> list[int]:
    table = find_table(catalog, (*measurement.namespace, table_name), measurement.share)
    return count_by_window(table, windows, time_column) if table else [0] * len(windows)
