"""Adopts the table of a measurement: compares its windows with the source and loads those that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Measurement, Nanoseconds, OnChangedValues, OnShrink
from influx_lake.config.maintenance.options import ManifestOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, LakeError, WindowShrank, naming
from influx_lake.iceberg.adoption.confirm import SeenWindow, confirm_windows
from influx_lake.iceberg.adoption.repair import SchemaRepair, repair_of, repair_table, time_conflict
from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.load.ensure import check_writable
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.scan.reader import check_readable, find_table
from influx_lake.iceberg.scan.row_counts import count_by_window, total_rows
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.adoption.adopted_window import AdoptedWindow, Outcome
from influx_lake.replication.adoption.carried_rows import CarriedRows
from influx_lake.replication.adoption.comparable_rows import ComparableRows
from influx_lake.replication.adoption.difference import Difference, difference
from influx_lake.replication.adoption.lake_side import LakeSide
from influx_lake.replication.loading import load_rows
from influx_lake.replication.removed.erased import without_erased
from influx_lake.replication.table_columns import table_target
from influx_lake.replication.window import MeasurementWindow, load_of
from influx_lake.sources.protocol import RowStream, Source
from influx_lake.sources.window_counts import counts_of
from influx_lake.transforms import LoadContext, transformed
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

WINDOWS_AT_ONCE = 500
"""How many windows one query counts; see `verify`."""
CONFIRMED_AT_ONCE = 100
"""How many windows that need no load are recorded in one commit: recorded windows are not compared again."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """The adoption of a table. Nothing is changed before `windows` is consumed.

    Attributes:
        source: The measurement's source, its rows as the table has them.
        catalog: The catalog of its table.
        measurement: The measurement, as its windows are loaded.
        into: The table to load into; the measurement's own unless another is named.
        lake: The table as it was found.
        target: The `TableTarget` of its loads.
        now: The present.
        run_id: The run, recorded in snapshots.
        declared: The identities of the measurement's sources, its main one first.
        dry_run: Whether windows are compared and nothing is changed.
        drop_copies: Whether exact copies among rows that the source does not have are dropped.
    """

    source: Source
    catalog: Catalog
    measurement: Measurement
    into: Measurement
    lake: LakeSide
    target: TableTarget
    now: datetime
    run_id: str
    declared: Sequence[str] = ()
    dry_run: bool = False
    drop_copies: bool = False
    _seen: list[SeenWindow] = field(default_factory=list)

    @property
    def repair(self) -> SchemaRepair:
        """The schema changes that the table needs."""
        return self.lake.repair

    @property
    def is_in_place(self) -> bool:
        """Whether the table itself is adopted, rather than a new one filled."""
        return self.into.identifier == self.measurement.identifier

    @property
    def is_unpartitioned(self) -> bool:
        """Whether the table has no partition fields."""
        return not actual(self.lake.table).spec().fields

    @property
    def owner(self) -> str | None:
        """The source whose rows the table holds, where that is known."""
        return table_state(self.lake.table).owner

    def rows_outside(self, windows: Sequence[Window]) -> int:
        """The number of rows of the table that lie in none of these windows."""
        held = sum(count_by_window(self.lake.table, windows, self.lake.time))
        return total_rows(self.lake.table, self.lake.table.current_snapshot()) - held

    def windows(self, windows: Sequence[Window]) -> Iterator[AdoptedWindow]:
        """Adopt windows, oldest first, each in a commit of its own where it has to be loaded.

        Idempotent: repeated after a crash or with other windows it continues, since loaded windows compare equal.

        Args:
            windows: The windows, which do not overlap.

        Yields:
            Each when it is done.

        Raises:
            SchemaConflict: The columns of the table cannot take those of the source.
            LakeError: A window cannot be adopted, which the error names; those before it are.
        """
        if self.is_in_place and not self.dry_run:
            repair_table(self.catalog, self.target, arrow_schema(self.lake.schema))
            # Each commit reads them all, and a table that was appended to every hour has as many.
            rewrite_manifests(TableTask(self.catalog, self.target, self.run_id, self.now), ManifestOptions())
        try:
            for begin in range(0, len(windows), WINDOWS_AT_ONCE):
                yield from self._part(windows[begin : begin + WINDOWS_AT_ONCE])
        except LakeError:
            # Compared windows are recorded even where the next one fails.
            self._confirm()
            raise
        self._confirm()

    def _part(self, windows: Sequence[Window]) -> Iterator[AdoptedWindow]:
        name = self.measurement.name
        with naming(name):
            held = count_by_window(self.lake.table, windows, self.lake.time)
            there = counts_of(self.source, name, windows)
            into = find_table(self.catalog, self.into.identifier)
        coverage = table_state(into).coverage
        for window, rows, ours in zip(windows, there, held, strict=True):
            with naming(name, window):
                if not self.is_in_place and coverage.holds(window):
                    yield AdoptedWindow(window, Outcome.DONE, Difference(source_rows=rows, lake_rows=ours))
                    continue
                found = self._compared(window, rows, ours)
                yield self._adopted(window, found, is_known=coverage.holds(window))

    def _compared(self, window: Window, rows: int, ours: int) -> Difference:
        if not ours:
            return Difference(source_rows=rows, missing=rows)
        if not rows:
            return Difference(lake_rows=ours, gone=ours)
        return difference(self.source, self.lake, self._rows, window)

    @property
    def _rows(self) -> ComparableRows:
        keeps = self.measurement.types.nanoseconds is Nanoseconds.KEEP
        return ComparableRows.of(self.lake.schema, self.lake.held, nanoseconds=keeps)

    def _kept(self, found: Difference) -> int:
        return 0 if self.measurement.on_shrink is OnShrink.REPLACE else found.gone

    def _adopted(self, window: Window, found: Difference, *, is_known: bool) -> AdoptedWindow:
        kept = self._kept(found)
        carried = self._carried(window, found) if kept else None
        copies = carried.copies if carried and self.drop_copies else 0
        has_rows = bool(found.source_rows or found.lake_rows)
        if self.is_in_place and not found.is_curable and kept == found.gone and not copies:
            outcome = Outcome.KEPT if kept else Outcome.EQUAL
            # The open window is loaded when it has closed.
            if not is_known and window.end <= self.now - self.measurement.lag:
                self._collect(SeenWindow(window, found.lake_rows, kept))
            return AdoptedWindow(window, outcome, found, kept)
        if not has_rows:
            return AdoptedWindow(window, Outcome.EQUAL, found)
        adopted = AdoptedWindow(window, Outcome.LOADED, found, kept - copies, copies)
        if self.dry_run:
            return adopted
        self._confirm()
        return replace(adopted, result=self._load(window, found, carried, copies))

    def _carried(self, window: Window, found: Difference) -> CarriedRows:
        return CarriedRows(self.lake, self._rows, window, _joined(found.keys), self.drop_copies)

    def _load(self, window: Window, found: Difference, carried: CarriedRows | None, copies: int) -> WindowResult:
        load = self._load_of(window, carried.after if carried else lambda rows: rows)
        # Points that the source returns after all have one row each.
        points = sum(map(len, found.keys)) if found.keys else found.gone - copies
        load = replace(load, guard=_RowCountGuard(found.source_rows + (points if carried else 0)))
        return load_rows(
            _AdoptedRows(
                self.source,
                self.catalog,
                self.into,
                window,
                self.run_id,
                self.declared,
                prepared=load,
                columns=self.lake.schema,
            )
        )

    def _load_of(self, window: Window, keeping: Callable[[RowStream], RowStream] = lambda rows: rows) -> WindowLoad:
        return load_of(
            self.source,
            self.catalog,
            self.into,
            self.lake.schema,
            window,
            run_id=self.run_id,
            now=self.now,
            declared=self.declared,
            keeping=keeping,
        )

    def _collect(self, seen: SeenWindow) -> None:
        """Collect a window that needs no load; the windows before it are recorded first where they are not adjacent."""
        if self._seen and (
            len(self._seen) >= CONFIRMED_AT_ONCE
            or self._seen[-1].window.end != seen.window.start
            or bool(self._seen[-1].kept) != bool(seen.kept)
        ):
            self._confirm()
        self._seen.append(seen)

    def _confirm(self) -> None:
        if self._seen and not self.dry_run:
            span = Window(self._seen[0].window.start, self._seen[-1].window.end)
            with naming(self.measurement.name, span):
                confirm_windows(self._load_of(span), arrow_schema(self.lake.schema), self._seen)
        self._seen.clear()


@dataclass(slots=True, kw_only=True)
class _AdoptedRows(MeasurementWindow):
    """A prepared load of a window, counted and reported as any other.

    Attributes:
        prepared: The load.
        columns: The columns that it loads.
    """

    prepared: WindowLoad
    columns: MeasurementSchema

    def load(self) -> WindowLoad:
        """The prepared load."""
        self._schema, self._progress = self.columns, self.prepared.progress
        return self.prepared


@dataclass(frozen=True, slots=True)
class _RowCountGuard:
    """A guard that stops a load with fewer rows than the comparison found.

    Attributes:
        expected: The number of rows found by the comparison.
    """

    expected: int

    def check(self, window: Window, rows: int, previous_rows: int) -> None:  # noqa: ARG002
        """Check that the load brings as many rows as expected."""
        if rows < self.expected:
            raise WindowShrank(
                f"{self.expected:,} rows of {window} were compared, and {rows:,} were read to load it; the table "
                "is unchanged",
                remedy="Run it again: the source returned other rows. Where points are being deleted there, wait",
            )

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:  # noqa: ARG002
        """False: rows that stay are part of the loaded stream."""
        return False


def adoption_of(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    *,
    now: datetime,
    run_id: str,
    into: str | None = None,
    declared: Sequence[str] = (),
    dry_run: bool = False,
    drop_copies: bool = False,
) -> Adoption | None:
    """Prepare the adoption of a measurement's table.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement.
        now: The present.
        run_id: The run, recorded in snapshots.
        into: The name of a new table to load into; None: the measurement's own is adopted in place.
        declared: The identities of the measurement's sources, its main one first.
        dry_run: Whether windows are compared and nothing is changed.
        drop_copies: Whether exact copies among rows that the source does not have are dropped.

    Returns:
        None where there is no table yet.

    Raises:
        ConfigurationError: The measurement shares its table; or rows may be equal that are of different points, and
            copies are to be dropped.
        SchemaConflict: The table has no column of time, or one of another type than `time_type` says, which cannot be
            changed in place; or others dropped columns.
        LakeError: Source or lake cannot be read.
    """
    with naming(measurement.name):
        if measurement.share is not None or measurement.layout is not None:
            raise ConfigurationError(
                f"{measurement.table_name} may hold several measurements, and is not adopted: the owner "
                "of its rows cannot be determined",
                remedy="Give the measurement a table of its own",
            )
        table = find_table(catalog, measurement.identifier)
        if table is None:
            return None
        check_readable(table)
        measurement = without_erased(measurement, catalog)
        shaped = transformed(source, measurement, LoadContext(run_id, now))
        schema = shaped.schema(measurement.name)
        if drop_copies:
            _check_tags(measurement, schema, table)
        adopting = replace(
            measurement.replacing_all(), adopt=into is None, on_changed_values=OnChangedValues.LOAD, tail=None
        )
        target = table_target(adopting, schema)
        repair = repair_of(table, arrow_schema(schema), target)
        if into is None:
            check_writable(actual(table), target.name)
            check_not_copied(actual(table), target.name)
            if repair.time is not None and not dry_run:
                raise time_conflict(repair.time, target)
        return Adoption(
            source=shaped,
            catalog=catalog,
            measurement=measurement,
            into=adopting if into is None else replace(adopting, table=into),
            lake=LakeSide.of(table, measurement, schema, repair),
            target=target,
            now=now,
            run_id=run_id,
            declared=declared,
            dry_run=dry_run,
            drop_copies=drop_copies,
        )


def _check_tags(measurement: Measurement, schema: MeasurementSchema, table: Table) -> None:
    """Check that the table has every tag, so that equal rows are rows of one point."""
    missing = [name for name in schema.tags if name not in table.schema().column_names]
    if missing or measurement.transforms.tags.chooses:
        raise ConfigurationError(
            f"{measurement.table_name} does not have all tags of {measurement.name}, so that rows of different points "
            "may be equal: copies cannot be told from them",
            remedy="Leave --drop-copies out",
        )


def windows_to_adopt(
    measurement: Measurement, now: datetime, start: datetime | None, end: datetime | None
) -> list[Window]:
    """The windows of a range that have begun, including the open one, oldest first."""
    begin = start or measurement.kept_since(now)
    return list(measurement.scheme.windows(begin, min(end or now, now)))


def _joined(keys: Sequence[pa.Table]) -> pa.Table | None:
    return pa.concat_tables(keys) if keys else None
