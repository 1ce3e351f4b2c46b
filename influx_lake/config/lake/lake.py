"""`Lake`: everything that a lake.yaml declares, validated and resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from influx_lake.config.catalogs.options import CatalogConfig
from influx_lake.config.connections import ServerConfig, SourceConfig
from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.lake.alerts import AlertOptions
from influx_lake.config.lake.operation import OperationOptions
from influx_lake.config.lake.serving import ServeOptions
from influx_lake.config.lake.spark import SparkOptions
from influx_lake.config.lake.table_names import TableNames, with_shares
from influx_lake.config.maintenance.engines import EngineConnections
from influx_lake.config.measurements.first_points import too_early
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.measurements.options import DefaultOptions, MeasurementOptions
from influx_lake.config.measurements.resolution import resolve_measurement, resolved_like
from influx_lake.config.observation.cost import CostOptions
from influx_lake.config.observation.metrics import MetricsOptions
from influx_lake.config.observation.openlineage import OpenLineageOptions
from influx_lake.config.report.diagnostics import Problem, suggestion
from influx_lake.config.sources.archives import archives_of
from influx_lake.config.sources.databases import SEPARATOR, DatabaseGroup
from influx_lake.config.values.load_engines import LoadEngine
from influx_lake.config.values.patterns import NamePattern, is_pattern
from influx_lake.config.values.timestamps import FIRST_POINT
from influx_lake.errors import ConfigurationError


@dataclass(frozen=True)
class Pattern:
    """A pattern of measurements as declared, or a listed measurement whose first point is not known yet.

    Attributes:
        text: The pattern: `http_*` or `/^http_/`; for a source with many databases also a name.
        source: The source, or entry for many databases, whose measurements it matches.
        options: The options of each match.
        key: The key in lake.yaml of a measurement that is listed by name; None for a pattern.
    """

    text: str
    source: str
    options: MeasurementOptions
    key: str | None = None

    def is_for(self, source: str) -> bool:
        """Whether it applies to a source."""
        return source == self.source or source.startswith(self.source + SEPARATOR)

    def matches(self, name: str) -> bool:
        """Whether it matches a measurement's name."""
        return name == self.text if self.key is not None else self._pattern.matches(name)

    @property
    def is_name(self) -> bool:
        """Whether it can match only one measurement of a database."""
        return self.key is not None or not is_pattern(self.text)

    @property
    def needs_first_point(self) -> bool:
        """Whether its measurements start at their first point."""
        return self.options.partition.start == FIRST_POINT

    @cached_property
    def _pattern(self) -> NamePattern:
        return NamePattern(self.text)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The measurements of a lake, resolved from what its sources have now.

    Attributes:
        measurements: The listed measurements and those that patterns match.
        set_aside: Measurements that are not loaded until lake.yaml says how, as (source, name), with the reason: their
            table would be another one's, or their first point is too early.
        remarks: The reasons, with remedies.
    """

    measurements: tuple[Measurement, ...]
    set_aside: Mapping[tuple[str, str], str]
    remarks: tuple[str, ...] = ()

    def kept(self, found: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
        """The measurements of sources, without those set aside."""
        return {
            source: tuple(name for name in names if (source, name) not in self.set_aside)
            for source, names in found.items()
        }

    @property
    def warning(self) -> str | None:
        """What is set aside or left out, and the remedy, on one line; None where nothing is."""
        return ". ".join(self.remarks) or None


@dataclass(frozen=True)
class Lake:
    """What a lake.yaml declares.

    Attributes:
        path: The lake.yaml.
        sources: The sources, by name.
        catalog: The Iceberg catalog.
        measurements: Those listed by name, then those that patterns matched at the last discovery.
        patterns: The patterns, in the order of the file.
        listed: The measurements listed by name, as (source, name): no pattern applies to them.
        alerts: The section `alerts`.
        gone: Measurements that their source no longer had at the last discovery, as (source, name).
        warnings: Warnings about lake.yaml.
        groups: The entries of `sources` with many databases; each known database is one of `sources`.
        operation: The options of operation.
        first_points: The times of oldest points found by discovery, by (source, name).
        engines: The connections to query engines for maintenance.
        spark: How the Spark is got that loads windows.
        openlineage: The transport of lineage events; None: none are sent.
        metrics: Where Dagster's daemon pushes or writes metrics; None: nowhere.
        cost: The price table; None: costs are not computed.
        too_early: Measurements left out because their first point is too early, by (source, name), with the reason.
        serve: The options of the HTTP service.
        defaults: The section `defaults`.
    """

    path: Path
    sources: Mapping[str, SourceConfig]
    catalog: CatalogConfig
    measurements: tuple[Measurement, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    listed: frozenset[tuple[str, str]] = frozenset()
    alerts: AlertOptions | None = None
    gone: frozenset[tuple[str, str]] = frozenset()
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    operation: OperationOptions = field(default=OperationOptions())
    groups: tuple[DatabaseGroup, ...] = ()
    engines: EngineConnections = field(default=EngineConnections())
    spark: SparkOptions = field(default=SparkOptions())
    openlineage: OpenLineageOptions | None = None
    metrics: MetricsOptions | None = None
    cost: CostOptions | None = None
    first_points: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    too_early: Mapping[tuple[str, str], str] = field(default_factory=dict)
    serve: ServeOptions = field(default=ServeOptions())
    defaults: DefaultOptions = field(default=DefaultOptions(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measurements", with_shares(self.measurements))

    @property
    def name(self) -> str | None:
        """The lake's name, for several lakes in one Dagster; None for the only one."""
        return self.operation.name

    @property
    def root(self) -> Path:
        """The folder of the lake.yaml, the base of relative paths."""
        return self.path.parent

    @property
    def present(self) -> tuple[Measurement, ...]:
        """The measurements that their sources have, as far as known: those that can be loaded."""
        return tuple(each for each in self.measurements if (each.source, each.name) not in self.gone)

    @property
    def awaits_first_points(self) -> bool:
        """Whether a listed measurement is left out because its first point is unknown."""
        return any(
            each.key is not None and each.needs_first_point and (each.source, each.text) not in self.first_points
            for each in self.patterns
        )

    @property
    def tells_changes(self) -> bool:
        """Whether a source reports changes."""
        return any(isinstance(each, ServerConfig) and each.changes is not None for each in self.sources.values())

    def named(self, source: str) -> frozenset[str]:
        """The measurements of a source that lake.yaml names literally, not by a pattern."""
        names = {pattern.text for pattern in self.patterns if pattern.is_for(source) and pattern.is_name}
        return frozenset(names) | {name for origin, name in self.listed if origin == source}

    def match(self, source: str, names: Iterable[str]) -> list[tuple[Pattern, Measurement]]:
        """The measurements that patterns match, of those that a source has, each with its pattern.

        The first matching pattern applies; listed measurements, also disabled ones, are left out. A measurement that
        starts at its first point is left out until that is known.

        Args:
            source: A source of the lake, or one for a database that it does not know yet.
            names: The measurements that the source has.
        """
        config = self.source(source)
        archives = archives_of(self.sources, config)
        found = list[tuple[Pattern, Measurement]]()
        decided: dict[tuple[int, datetime | None], Measurement] = {}
        for pattern, name in self._claimed(source, names):
            first = self.first_points.get((source, name)) if pattern.needs_first_point else None
            if first is None and pattern.needs_first_point:
                continue
            options, key = pattern.options, pattern.key or name
            if (alike := decided.get((id(pattern), first))) is None:
                alike = resolve_measurement(key, name, options, source, config, archives, first)
                decided[id(pattern), first] = alike
                found.append((pattern, alike))
            else:
                found.append((pattern, resolved_like(alike, key, name, options)))
        return found

    def of_first_points(self, source: str, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The measurements of a source that start at their first point, each with the sources to ask for it.

        Args:
            source: A source of the lake, or one for a database that it does not know yet.
            names: The measurements that the source has.
        """
        origins: dict[str, dict[str, None]] = {}
        for pattern, name in self._claimed(source, names):
            if pattern.needs_first_point:
                history = pattern.options.history
                origins.setdefault(name, {}).update(dict.fromkeys([source, *([history.source] if history else [])]))
        return {name: tuple(asked) for name, asked in origins.items()}

    def refused_first_point(self, source: str, name: str, first: datetime) -> str | None:
        """Why a measurement's partitions must not start at its oldest point; None where they may."""
        entries = (pattern for pattern, _ in self._claimed(source, [name]) if pattern.needs_first_point)
        reasons = (too_early(entry.options.partition.every, first) for entry in entries)
        return next(filter(None, reasons), None)

    def _claimed(self, source: str, names: Iterable[str]) -> Iterator[tuple[Pattern, str]]:
        """The names that entries apply to, each with its entries: all that name it, else the first matching pattern."""
        own = [pattern for pattern in self.patterns if pattern.is_for(source)]
        # A name wins over patterns.
        patterns = sorted((each for each in own if each.key is None), key=lambda pattern: not pattern.is_name)
        for name in filter(None, dict.fromkeys(names)):
            yield from ((pattern, name) for pattern in own if pattern.key is not None and pattern.matches(name))
            if (source, name) not in self.listed:
                pattern = next((pattern for pattern in patterns if pattern.matches(name)), None)
                if pattern is not None and pattern.options.enabled:
                    yield pattern, name

    def resolve(self, found: Mapping[str, Iterable[str]]) -> Resolved:
        """Resolve patterns with the measurements that sources have now.

        Where several measurements would have the same table, one that the lake already has keeps it; new ones do not
        get it.

        Args:
            found: The measurements of each listed source, also for a database that the lake does not know yet.
        """
        matched = [measurement for source, names in found.items() for _, measurement in self.match(source, names)]
        own, matched = self._with_shares(matched)
        tables, known = TableNames(own), {measurement.path: measurement for measurement in own}
        early = {place: reason for place, reason in self.too_early.items() if place[1] in found.get(place[0], ())}
        aside = {place: reason for place, reason in early.items() if place not in self.first_points}
        clashes: dict[tuple[str, str], str] = {}
        for measurement in matched:
            if (clash := tables.claim(measurement)) is None:
                known.setdefault(measurement.path, measurement)
                continue
            newcomers = [measurement, *([clash.other] if clash.other not in own else [])]
            clashes |= {(each.source, each.name): clash.reason for each in newcomers}
        aside |= clashes
        present = with_shares(each for each in known.values() if (each.source, each.name) not in aside)
        return Resolved(present, aside, tuple(_remarks(clashes, early)))

    def _with_shares(self, matched: list[Measurement]) -> tuple[list[Measurement], list[Measurement]]:
        """The lake's measurements and others, each with whether it shares its table."""
        every = list(with_shares((*self.measurements, *matched)))
        return every[: len(self.measurements)], every[len(self.measurements) :]

    def entry_of(self, source: str) -> str:
        """The entry of `sources` that a source belongs to: itself, or the one with many databases."""
        return next((group.name for group in self.groups if group.holds(source)), source)

    def source(self, name: str) -> SourceConfig:
        """The source with a name, also for a database that is not known yet.

        Raises:
            ConfigurationError: There is none.
        """
        if name in self.sources:
            return self.sources[name]
        group = next((group for group in self.groups if group.holds(name)), None)
        if group is None:
            raise ConfigurationError(
                f"{self.path.name} has no source {name}{suggestion(name, self.sources)}",
                remedy=f"It has: {', '.join(self.sources)}",
            )
        return group.source(name)

    def engine_of(self, measurement: Measurement, source: str) -> LoadEngine:
        """Who loads the windows of a measurement that come from a source: Spark only where that is files."""
        config = self.source(source)
        return (measurement.engine or config.engine) if isinstance(config, StoredConfig) else LoadEngine.OWN

    def find(self, name: str) -> Measurement:
        """The measurement with a name: its key, its name in InfluxDB, or its table.

        Raises:
            ConfigurationError: There is none, or there are several.
        """
        for calls in (_by_key, _by_table, _by_name):
            found = [measurement for measurement in self.measurements if calls(measurement) == name]
            if len(found) == 1:
                return found[0]
            if found:
                tables = ", ".join(measurement.full_name for measurement in found)
                raise ConfigurationError(f"{name} is several measurements", remedy=f"Call one by its table: {tables}")
        keys = [measurement.key for measurement in self.measurements]
        raise ConfigurationError(
            f"{self.path.name} has no measurement {name}{suggestion(name, keys)}",
            remedy="List it under `measurements`" + (", or run `influx-lake discover`" if self.patterns else ""),
        )


def _remarks(clashes: Mapping[tuple[str, str], str], early: Mapping[tuple[str, str], str]) -> Iterator[str]:
    if clashes:
        reasons = "; ".join(dict.fromkeys(clashes.values()))
        yield f"set aside: {reasons}. List one of them under `measurements` in lake.yaml with a `table` of its own"
    for (source, name), reason in early.items():
        yield (
            f"left out: {name} of {source}: {reason}. Set its `partition.start` in lake.yaml to the first day that is "
            "to be loaded, or a longer `partition.every`; or delete the point where its time is wrong"
        )


def _by_key(measurement: Measurement) -> str:
    return measurement.key


def _by_table(measurement: Measurement) -> str:
    return measurement.full_name


def _by_name(measurement: Measurement) -> str:
    return measurement.name
