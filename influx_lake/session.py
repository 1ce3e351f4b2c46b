"""An open lake for one command or request: its configuration, catalog and sources, opened on demand and closed
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.document.reading import place_of
from influx_lake.config.values.load_engines import LoadEngine
from influx_lake.errors import ConfigurationError
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from influx_lake.config.values.windows import Window
    from influx_lake.iceberg.table_state.coverage import Coverage
    from influx_lake.iceberg.window_load import Progress
    from influx_lake.iceberg.window_result import WindowResult
    from influx_lake.replication.comparison.compare_windows import Depth
    from influx_lake.replication.comparison.verify import Verification
    from influx_lake.replication.splitting.helpers import Helpers
    from influx_lake.replication.window import MeasurementWindow
    from influx_lake.sources import Source
    from influx_lake.spark.engine import SparkEngine


class Session:
    """An open lake for one command or request. Nothing is contacted before it is needed.

    Args:
        lake: The lake.

    Attributes:
        lake: The lake.
        branch: The branch that tables are read from and loaded to; None: main.
        tell: Receives remarks: which part of a range is left out, and why.
    """

    def __init__(
        self, lake: Lake, branch: str | None = None, tell: Callable[[str], None] = lambda remark: None
    ) -> None:
        self.lake = lake
        self.branch = branch
        self.tell = tell
        self._sources: dict[str, Source] = {}
        self._reliable: dict[str, Source] = {}

    @cached_property
    def catalog(self) -> Catalog:
        """The lake's catalog, which gives the branch's tables.

        Raises:
            CatalogError: The catalog cannot be reached or refuses.
        """
        from influx_lake.iceberg.catalogs.opening import open_catalog

        catalog = open_catalog(self.lake.catalog.name, self.lake.catalog.properties(), self.lake.catalog.lock_timeout)
        if self.branch is None:
            return catalog
        from influx_lake.iceberg.history.branch_catalog import on_branch

        return on_branch(catalog, self.branch)

    def source(self, name: str) -> Source:
        """A source for interactive questions: it answers or fails at once, without retries."""
        from influx_lake.sources import open_source

        if name not in self._sources:
            self._sources[name] = open_source(self.lake.source(name))
        return self._sources[name]

    def reliable_source(self, name: str) -> Source:
        """A source for loads: transient failures are retried."""
        from influx_lake.sources import open_reliable_source

        if name not in self._reliable:
            self._reliable[name] = open_reliable_source(self.lake.source(name))
        return self._reliable[name]

    @cached_property
    def spark(self) -> SparkEngine:
        """The engine for windows with `engine: spark`.

        Raises:
            ConfigurationError: A service is to drive Spark, and this process does not run in it.
        """
        from influx_lake.spark.engine import SparkEngine

        return SparkEngine(self.lake)

    def archive(self, measurement: Measurement) -> Source | None:
        """The archive of the measurement's source; None where the lake has none."""
        return self.reliable_source(measurement.archive) if measurement.archive else None

    def identities(self, measurement: Measurement) -> tuple[str, ...]:
        """The identities of a measurement's sources, its main one first."""
        return tuple(self.reliable_source(name).identity for name in measurement.sources)

    def coverage(self, measurement: Measurement) -> Coverage:
        """The coverage of a measurement's table; empty where there is no table yet."""
        from influx_lake.iceberg.table_state import table_state

        return table_state(self.table_of(measurement)).coverage

    def table_of(self, measurement: Measurement) -> Table | None:
        """A measurement's table; None where there is none yet."""
        from influx_lake.iceberg.scan.reader import find_table

        return find_table(self.catalog, measurement.identifier, measurement.share)

    def identifier(self, name: str) -> tuple[str, ...]:
        """The identifier of a table by its name, or by its measurement's; roll-ups and quarantines included.

        Raises:
            ConfigurationError: No table has this name, or several have.
        """
        from influx_lake.maintenance.tables import tables_of

        found = (table.target.identifier for table in tables_of(self.lake) if table.name == name)
        return next(found, None) or self.lake.find(name).identifier

    def measurements(self, names: Sequence[str] | None) -> list[Measurement]:
        """The measurements with these names, each once; all of them where no name is given.

        Raises:
            ConfigurationError: One is not in the lake, or the lake has none.
        """
        if names:
            return list(dict.fromkeys(self.lake.find(name) for name in names))
        if not self.lake.measurements:
            remedy = "List them under `measurements`"
            if self.lake.patterns:
                remedy = "Its patterns match nothing that is known yet: run `influx-lake discover`"
            place = place_of(self.lake.path, ("measurements",))
            raise ConfigurationError(f"{place}: the lake has no measurements", remedy=remedy)
        return list(self.lake.measurements)

    def plan(
        self,
        names: Sequence[str] | None,
        start: datetime | None,
        end: datetime | None,
        every: timedelta | None,
        *,
        only_missing: bool,
    ) -> list[tuple[Measurement, list[Window]]]:
        """The windows of measurements to load, oldest first. The catalog is read only for missing ones.

        The part of a range before `partition.start` is left out, with a warning.

        Raises:
            ConfigurationError: A measurement is not in the lake, the range is empty, or all of it is before
                `partition.start`.
            CatalogError: The tables cannot be read.
        """
        from influx_lake.iceberg.table_state.coverage import Coverage
        from influx_lake.replication.planning.plan import plan_windows

        now = datetime.now(UTC)
        plans, chosen = [], self.measurements(names)
        if every is None:
            check_range(chosen, start, end, self.tell)
        for each in chosen:
            coverage = self.coverage(each) if only_missing else Coverage()
            windows = plan_windows(each, coverage, now, start=start, end=end, every=every, only_missing=only_missing)
            plans.append((each, windows))
        return plans

    def changed(
        self, names: Sequence[str] | None, start: datetime | None, end: datetime | None
    ) -> list[tuple[Measurement, list[Window]]]:
        """The loaded windows of measurements whose definition in lake.yaml has changed since, oldest first.

        Raises:
            ConfigurationError: A measurement is not in the lake.
            CatalogError: The tables cannot be read.
        """
        from influx_lake.iceberg.table_state import table_state
        from influx_lake.replication.definition import outdated_windows

        def wanted(window: Window) -> bool:
            return (start is None or window.end > start) and (end is None or window.start < end)

        return [
            (each, [*filter(wanted, outdated_windows(each, table_state(self.table_of(each))))])
            for each in self.measurements(names)
        ]

    def load_window(
        self,
        measurement: Measurement,
        window: Window,
        *,
        run_id: str,
        source: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        helpers: Helpers | None = None,
    ) -> WindowResult:
        """Load one window of a measurement by its `write.mode`; repeating it leaves the same rows.

        Args:
            measurement: The measurement.
            window: The window.
            run_id: The run, recorded in the snapshot.
            source: The source to read; default: the measurement's own.
            on_progress: Called every few seconds with the progress.
            helpers: The other processes that write parts of the window, where it is split.

        Raises:
            LakeError: The table is unchanged; the class tells what can be done.
        """
        from influx_lake.checks.audit import audit
        from influx_lake.replication.loading import load_rows

        rows = self._window(measurement, window, run_id, source)
        rows.on_progress = on_progress
        rows.auditor = None if self.branch else audit
        if helpers is not None:
            rows.helpers = helpers
        return load_rows(rows)

    def write_part(
        self,
        measurement: Measurement,
        window: Window,
        part: Window,
        *,
        run_id: str,
        source: str | None = None,
        with_nanoseconds: bool = False,
    ) -> None:
        """Write a part of a window for the process that commits it.

        Args:
            measurement: The measurement.
            window: The window.
            part: The part of it.
            run_id: The run that commits the window.
            source: The window's source, where it is not the measurement's own.
            with_nanoseconds: Whether the rows get the column of nanoseconds.

        Raises:
            LakeError: The part could not be written.
        """
        self._window(measurement, window, run_id, source).write_part(part, with_nanoseconds=with_nanoseconds)

    def check_engines(self, plans: Iterable[tuple[Measurement, Sequence[Window]]], source: str | None = None) -> None:
        """Make sure that what is to load windows can do so here, before one is loaded.

        Args:
            plans: The windows of each measurement.
            source: Their source, where it is not the measurement's own.

        Raises:
            ConfigurationError: It cannot.
        """
        if any(self._by_spark(each, source or each.source_of(window)) for each, windows in plans for window in windows):
            _ = self.spark

    def _by_spark(self, measurement: Measurement, source: str) -> bool:
        return self.lake.engine_of(measurement, source) is LoadEngine.SPARK

    def _window(self, measurement: Measurement, window: Window, run_id: str, source: str | None) -> MeasurementWindow:
        from influx_lake.replication.window import MeasurementWindow

        name = source or measurement.source_of(window)
        by_spark = self._by_spark(measurement, name)
        return MeasurementWindow(
            self.spark.source(name) if by_spark else self.reliable_source(name),
            self.catalog,
            measurement,
            window,
            run_id,
            self.identities(measurement),
            archive=self.archive(measurement),
            distributor=self.spark.distributor(name) if by_spark else None,
        )

    def verify(self, measurement: Measurement, windows: Sequence[Window], depth: Depth) -> Verification:
        """Compare windows of a measurement with its source.

        Args:
            measurement: The measurement.
            windows: The windows, oldest first, which do not overlap.
            depth: How closely to compare windows with the same number of rows on both sides.

        Raises:
            LakeError: Source or lake cannot be read.
        """
        from influx_lake.replication.comparison.verify import verify

        source, archive = self.reliable_source(measurement.source), self.archive(measurement)
        return verify(source, self.catalog, measurement, windows, depth=depth, archive=archive)

    def close(self) -> None:
        """Close the sources."""
        for source in (*self._sources.values(), *self._reliable.values()):
            source.close()
        if "spark" in self.__dict__:
            self.spark.close()


def check_range(
    measurements: Sequence[Measurement], start: datetime | None, end: datetime | None, tell: Callable[[str], None]
) -> None:
    """Report the part of a range that lies before measurements' first partitions and is left out.

    Raises:
        ConfigurationError: The whole range lies before them.
    """
    from influx_lake.config.values.windows import utc_text

    def is_before(each: Measurement) -> bool:
        return end is not None and end <= each.scheme.start

    early = [each for each in measurements if is_before(each) or (start is not None and start < each.scheme.start)]
    named = [f"{printable_name(each.name)} begins at {utc_text(each.scheme.start)}" for each in early]
    remedy = "set an earlier `partition: {start: ...}` in lake.yaml, or cut the range yourself with --every 1d"
    if early and all(map(is_before, measurements)):
        raise ConfigurationError(
            f"the range lies before the first partition: {'; '.join(named)}; nothing was done",
            remedy=f"Name a later range, {remedy}",
        )
    if early:
        tell(f"The time before the first partition is left out: {'; '.join(named)}. To load it, {remedy}")
