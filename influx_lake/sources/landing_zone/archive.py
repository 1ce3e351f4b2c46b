"""A landing zone: which of its files a window needs, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from influx_lake.config import LandingZoneConfig
from influx_lake.config.columns import ColumnType
from influx_lake.config.windows import Window
from influx_lake.sources.files import FilePlace
from influx_lake.sources.landing_zone.folders import Folders, LandedFile, fixed_part
from influx_lake.sources.landing_zone.footers import Footers
from influx_lake.sources.landing_zone.taking_apart import TakingApart
from influx_lake.sources.points.bad import too_bad
from influx_lake.sources.points.registry import MeasurementKey
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.points.staging import Staging
from influx_lake.sources.points.unit import Unit, UnitWriter

_READING = 3
"""Another number where the same files give other points than before: what was taken apart then is not used."""


def landing_zone_source(config: LandingZoneConfig) -> PointsSource:
    """The source of such files. Nothing is read before it is used."""
    return PointsSource(LandingZone(config))


class LandingZone:
    """The files, each taken apart once.

    Args:
        config: Where they are, and what they hold.
    """

    product = "landing zone"

    def __init__(self, config: LandingZoneConfig) -> None:
        self._config = config
        self._staging = Staging(config.staging, config.staging_limit, config.staging_keep)
        self._units: dict[str, Unit] = {}
        self._footers = Footers(config)

    @property
    def identity(self) -> str:
        return f"landing_zone:{self._config.path}"

    @property
    def merges_numbers(self) -> bool:
        """JSON and CSV do not tell 1 from 1.0: a field that has both is one of floats."""
        return not self._typed

    def units(self, window: Window | None) -> Sequence[Unit]:
        landed = self._folders.all() if window is None else self._folders.within(self._landing(window))
        units = [self._unit(each) for each in landed]
        bad = [unit for unit in units if unit.bad]
        if sum(unit.bad for unit in bad) > self._config.max_bad_lines:
            raise too_bad(sum(unit.bad for unit in bad), self._config.max_bad_lines, bad[0].facts, bad[0].bad_file)
        return units

    def wants(self, key: MeasurementKey) -> bool:  # noqa: ARG002 - all are this source's
        return True

    def declared(self, measurement: str) -> tuple[Sequence[str], Sequence[tuple[str, ColumnType]]] | None:
        known = self._config.columns.get(measurement)
        if known is not None:
            return sorted({*known.tags, *self._config.tags}), list(known.types.items())
        # Where files hold several measurements, only their rows say which has which columns.
        return self._in_footers(measurement) if self._typed and "{measurement}" in self._config.path else None

    def _in_footers(self, measurement: str) -> tuple[Sequence[str], Sequence[tuple[str, ColumnType]]]:
        landed = self._folders.all()
        found = self._footers.columns([each.file for each in landed if each.measurement == measurement])
        self._footers.keep(each.file for each in landed)
        tags = {tag for each in found for tag in each.tags}
        return sorted(tags), sorted({field for each in found for field in each.fields.items() if field[0] not in tags})

    @property
    def _typed(self) -> bool:
        """Whether files say the types of their columns."""
        return self._config.format == "parquet"

    def names(self) -> list[str] | None:
        if "{measurement}" in self._config.path:
            return sorted({each.measurement for each in self._folders.all() if each.measurement})
        return sorted(self._config.columns) or None

    def state(self) -> str:
        landed = self._folders.all()
        return f"{len(landed):,} files, {sum(max(0, each.file.size) for each in landed) / 1e6:,.1f} MB"

    def close(self) -> None:
        self._units.clear()
        self._staging.close()

    @cached_property
    def _folders(self) -> Folders:
        path = self._config.path
        return Folders(path, FilePlace(fixed_part(path), self._config.storage_properties()))

    def _landing(self, window: Window) -> Window:
        """The time in which a window's points land."""
        return replace(window, end=window.end + self._config.late)

    def _unit(self, landed: LandedFile) -> Unit:
        settings = self._config.model_dump_json(
            include={"format", "timestamp", "timestamp_units", "measurement_column", "tags", "columns"}
        )
        identity = f"landing_zone\0{_READING}\0{settings}\0{landed.file.identity}"
        if identity not in self._units:
            self._units[identity] = self._staging.unit(identity, lambda writer: self._take_apart(landed, writer))
        return self._units[identity]

    def _take_apart(self, landed: LandedFile, writer: UnitWriter) -> None:
        kinds = self._footers.columns([landed.file])[0].fields if self._typed else {}
        TakingApart(self._config, landed, kinds, writer).run()
