"""A landing zone: finds the files that a window needs, and parses them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords, FileUnreadable, SourceError
from influx_lake.sources.files import FilePlace
from influx_lake.sources.landing_zone.direct.direct_parquet import DirectFile, DirectParquet
from influx_lake.sources.landing_zone.file_parser import LandedFileTask, line_of
from influx_lake.sources.landing_zone.folders import Folders, LandedFile, Listing, fixed_part
from influx_lake.sources.landing_zone.footers import Footers
from influx_lake.sources.landing_zone.misplaced import Misplaced, misplaced_remark
from influx_lake.sources.landing_zone.telegraf import CSV_MEASUREMENT, filled_gaps_remark, shared_header_remark
from influx_lake.sources.landing_zone.template import FolderTemplate
from influx_lake.sources.points.left_out import bad_records_remark, empty_records_remark, too_bad
from influx_lake.sources.points.registry import FieldName, MeasurementKey
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.staging import Staging, UnitStore
from influx_lake.sources.points.survey import FileSurvey
from influx_lake.sources.remarks import Remark, verb

log = logging.getLogger("influx_lake.sources")

_SURVEYED = 20
"""How many files are sampled if not all of them have to be read."""
_READING = 5
"""The version of the parsers: increase it if the same files give other points, so that earlier results are not used."""
_READING_OPTIONS = {
    "format",
    "timestamp",
    "timestamp_units",
    "measurement_column",
    "tags",
    "columns",
    "delimiter",
    "header",
    "trailing_newline",
}
"""The options that change which points a file gives."""


def landing_zone_source(config: LandingZoneConfig, units: UnitStore | None = None) -> PointsSource:
    """The source of a landing zone. Nothing is read before it is used.

    Args:
        config: Where the files are, and their format.
        units: Holds the parsed files; None for the staging folder of the source.
    """
    zone = LandingZone(config, units)
    return PointsSource(zone, None if units else DirectParquet(zone))


class LandingZone:
    """The files, each parsed once.

    Args:
        config: Where they are, and their format.
        units: Holds the parsed files.
    """

    product = "landing zone"

    def __init__(self, config: LandingZoneConfig, units: UnitStore | None = None) -> None:
        self.config = self._config = config
        self._staging = units or Staging(config.staging, config.staging_limit, config.staging_keep)
        self._units: dict[str, Unit] = {}
        self._landed: dict[str, LandedFile] = {}
        self._failed: dict[str, SourceError] = {}
        self._told = set[Path | str]()
        self._footers = Footers(config)

    @property
    def identity(self) -> str:
        return f"landing_zone:{self._config.path}"

    @property
    def merges_numbers(self) -> bool:
        """Whether a field with integers and floats is one of floats: JSON and CSV do not distinguish 1 from 1.0."""
        return not self._typed

    def units(
        self, window: Window | None, measurement: str | None = None, left_out: frozenset[str] = frozenset()
    ) -> Sequence[Unit]:
        found = self._found(window, measurement)
        if window is None:
            return self._readable(found.files)
        # Otherwise the columns are only known once all files were read.
        units = self._units_of(found.files, left_out if self._declares_columns else frozenset())
        self._tell(found, units)
        return units

    def direct(self, window: Window, measurement: str) -> list[DirectFile] | None:
        """The files that a window needs, if they can be read directly according to their footers.

        None if a file cannot be read, or was already staged by this process.
        """
        if not self._declares_columns:
            return None
        found = self._found(window, measurement)
        if any(self._identity(each, frozenset()) in self._units.keys() | self._failed.keys() for each in found.files):
            return None
        try:
            columns = self._footers.columns([each.file for each in found.files])
        except FileUnreadable:
            # Staging the file reports the error.
            return None
        files = [DirectFile(*each, self._folders.reach(each[0])) for each in zip(found.files, columns, strict=True)]
        if not all(each.is_plain for each in files):
            return None
        self._tell(replace(found, files=[]), [])
        return files

    def stage(self, landed: Sequence[LandedFile]) -> None:
        """Stage files."""
        self._units_of(landed)

    def _found(self, window: Window | None, measurement: str | None = None) -> Listing:
        """The files of a window and measurement, or all; empty files are skipped."""
        found = self._folders.all(measurement) if window is None else self._folders.within(window, measurement)
        return replace(found, files=[each for each in found.files if each.file.size])

    def _readable(self, landed: Sequence[LandedFile]) -> list[Unit]:
        """The points of all readable files; unreadable ones only fail the windows that need them."""
        units, failures = list[Unit](), list[SourceError]()
        self._prepare(landed, values=False)
        for each in landed:
            try:
                units.append(self._unit(each))
            except (FileUnreadable, BadRecords) as error:
                failures.append(error)
        if failures and not units:
            raise failures[0]
        return units

    def _tell(self, found: Listing, units: Sequence[Unit]) -> None:
        """Log the remarks about files, once per file."""
        new = [(landed, unit) for landed, unit in zip(found.files, units, strict=True) if unit.folder not in self._told]
        for remark in self._remarks(new, [each for each in found.strays if each not in self._told]):
            log.warning("%s: %s", self.identity, remark)
        self._told.update([unit.folder for _, unit in new], found.strays)

    def _units_of(self, landed: Sequence[LandedFile], left_out: frozenset[str] = frozenset()) -> list[Unit]:
        self._prepare(landed, left_out, values=True)
        units = [self._unit(each, left_out) for each in landed]
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
        # If files hold several measurements, only their rows tell the columns of each.
        return self._in_footers(measurement) if self._declares_columns else None

    def _in_footers(self, measurement: str) -> tuple[Sequence[str], Sequence[tuple[str, ColumnType]]]:
        landed = self._found(None).files
        found = self._footers.readable([each.file for each in landed if each.measurement == measurement])
        self._footers.keep(each.file for each in landed)
        tags = {tag for each in found for tag in each.tags}
        return sorted(tags), sorted({field for each in found for field in each.fields.items() if field[0] not in tags})

    @property
    def _typed(self) -> bool:
        """Whether the files declare the types of their columns."""
        return self._config.format == "parquet"

    @property
    def _declares_columns(self) -> bool:
        return self._typed and "{measurement}" in self._config.path

    def names(self) -> list[str] | None:
        if "{measurement}" in self._config.path:
            return sorted({each.measurement for each in self._found(None).files if each.measurement})
        return sorted(self._config.columns) or None

    def place_of(self, measurement: str, field: FieldName, value: int, time: int) -> str | None:
        for landed in self._landed.values():
            line = line_of(self._config, landed, measurement, (field, value, time))
            if line is not None:
                return f"{landed.file.uri}, line {line:,}"
        return None

    def state(self) -> str:
        landed = self._folders.all().files
        empty = sum(not each.file.size for each in landed)
        aside = f", {counted(empty, 'empty file')} left out" if empty else ""
        return f"{len(landed):,} files, {sum(max(0, each.file.size) for each in landed) / 1e6:,.1f} MB{aside}"

    def units_read(self) -> Sequence[Unit]:
        # One per file, whichever of its columns were read.
        return list({self._landed[identity].file.identity: unit for identity, unit in self._units.items()}.values())

    @property
    def time_unit(self) -> str:
        return f"timestamp_units: {self._config.timestamp_units}"

    def survey(self) -> FileSurvey:
        found = self._found(None)
        landed, half = found.files, _SURVEYED // 2
        if (self._config.columns or self._declares_columns) and len(landed) > _SURVEYED:
            # Reading all files is not needed for anything else here.
            landed = [*landed[:half], *landed[-half:]]
        units = self._units_of(landed)
        remarks = self._remarks(list(zip(landed, units, strict=True)), found.strays)
        return FileSurvey(units, len(found.files), remarks, "timestamp_units", self._config.timestamp_units)

    def _remarks(self, files: Sequence[tuple[LandedFile, Unit]], strays: Sequence[str]) -> list[Remark]:
        misplaced = [Misplaced.of(unit, landed.time, self._folders.reach(landed)) for landed, unit in files]
        found = [
            bad_records_remark([unit for _, unit in files]),
            empty_records_remark([unit for _, unit in files]),
            misplaced_remark(misplaced, self._config.early, self._config.late),
            self._strays_remark(strays),
        ]
        if self._typed:
            columns = self._footers.columns([landed.file for landed, _ in files])
            filled = [unit for (_, unit), known in zip(files, columns, strict=True) if known.fills_gaps]
            found.append(filled_gaps_remark(filled))
        elif self._config.format == "csv" and self._config.measurement_column == CSV_MEASUREMENT:
            found.append(shared_header_remark([unit for _, unit in files]))
        return [remark for remark in found if remark]

    def _strays_remark(self, strays: Sequence[str]) -> Remark | None:
        if not strays:
            return None
        return Remark(
            f"{counted(len(strays), 'path')} {verb(len(strays), 'is', 'are')} not in {self._folders.expected}, and "
            f"{verb(len(strays), 'is', 'are')} not read; the first is {strays[0]}",
            "Correct `path` of the source, or move them elsewhere",
        )

    def close(self) -> None:
        self._units.clear()
        self._landed.clear()
        self._failed.clear()
        self._staging.close()

    @cached_property
    def _folders(self) -> Folders:
        config, fixed = self._config, fixed_part(self._config.path)
        return Folders(
            template=FolderTemplate(config.path[len(fixed) :]),
            place=FilePlace(fixed, config.storage_properties()),
            zone=ZoneInfo(config.timezone),
            early=config.early,
            late=config.late,
        )

    def _prepare(self, landed: Sequence[LandedFile], left_out: frozenset[str] = frozenset(), *, values: bool) -> None:
        identities = [self._identity(each, left_out) for each in landed]
        known = self._failed.keys() if values else self._units.keys() | self._failed.keys()
        new = [(identity, each) for identity, each in zip(identities, landed, strict=True) if identity not in known]
        self._staging.prepare([(identity, self._task(each, left_out)) for identity, each in new], values=values)

    def _identity(self, landed: LandedFile, left_out: frozenset[str]) -> str:
        whole = f"landing_zone\0{_READING}\0{self._settings}\0{landed.file.identity}"
        return whole if whole in self._units else "\0".join((whole, *sorted(left_out)))

    @cached_property
    def _settings(self) -> str:
        return self._config.model_dump_json(include=_READING_OPTIONS)

    def _task(self, landed: LandedFile, left_out: frozenset[str]) -> LandedFileTask:
        return LandedFileTask(self._config, landed, self._footers.kinds, left_out, self._folders.reach(landed))

    def _unit(self, landed: LandedFile, left_out: frozenset[str] = frozenset()) -> Unit:
        identity = self._identity(landed, left_out)
        if identity in self._failed:
            # A copy: callers add the window to it.
            raise copy(self._failed[identity])
        if identity not in self._units:
            try:
                self._landed[identity] = landed
                self._units[identity] = self._staging.unit(identity, self._task(landed, left_out))
            except (FileUnreadable, BadRecords) as error:
                self._failed[identity] = copy(error)
                raise
        return self._units[identity]
