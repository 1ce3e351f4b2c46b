"""A window that is written in parts: its loads, and other processes that write parts of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.parts.records import SUFFIX
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.loading import load_rows
from influx_lake.replication.splitting.helpers import Helpers, NoHelpers, PartsWanted
from influx_lake.replication.splitting.part_bounds import cut
from influx_lake.replication.window import MeasurementWindow
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, day

SPLIT = replace(CPU, split=timedelta(hours=6))
PARTS = cut(day(0), timedelta(hours=6), day(0).start)


@dataclass
class Others:
    """Other processes: they write the parts they are given, and leave the others to the caller.

    Attributes:
        source: What they read.
        catalog: The catalog of the table.
        measurement: The measurement.
        write: The parts that they write.
        asked: What was wanted.
    """

    source: FakeSource
    catalog: Catalog
    measurement: Measurement
    write: list[Window]
    asked: list[PartsWanted] = field(default_factory=list)

    @contextmanager
    def help(self, wanted: PartsWanted) -> Iterator[Iterator[Window]]:
        self.asked.append(wanted)
        for part in wanted.parts:
            if part in self.write:
                of_window = window_of(self.source, self.catalog, self.measurement, wanted.window)
                of_window.write_part(part, with_nanoseconds=wanted.with_nanoseconds)
        yield iter([part for part in wanted.parts if part not in self.write])


def source_of_parts() -> FakeSource:
    """A source with points in every other part."""
    source = FakeSource()
    for part in PARTS[::2]:
        source.put(part, 20)
    source.asked.clear()
    return source


def window_of(
    source: FakeSource,
    catalog: Catalog,
    of: Measurement,
    window: Window = PARTS[0],
    helpers: Helpers | None = None,
) -> MeasurementWindow:
    return MeasurementWindow(source, catalog, of, window, "run", helpers=helpers or NoHelpers())


def split(of: Measurement) -> Measurement:
    return replace(of, split=timedelta(hours=6))


def loaded(
    source: FakeSource, catalog: Catalog, of: Measurement = SPLIT, helpers: Helpers | None = None
) -> WindowResult:
    return load_rows(window_of(source, catalog, of, day(0), helpers))


def records(folder: Path) -> list[Path]:
    return [*folder.rglob(f"*{SUFFIX}")]
