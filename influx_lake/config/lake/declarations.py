"""Resolves `defaults` and `measurements` of a lake.yaml, and reports contradictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from influx_lake.config.connections import InfluxDB3Config, KafkaConfig, SourceConfig
from influx_lake.config.lake.lake import Pattern
from influx_lake.config.lake.table_names import TableNames
from influx_lake.config.measurements.layout_checks import share_of
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.measurements.options import DefaultOptions, MeasurementOptions
from influx_lake.config.measurements.resolution import resolve_measurement
from influx_lake.config.report.diagnostics import Location, OptionMistake, Report, suggestion
from influx_lake.config.report.excerpts import text_mistake
from influx_lake.config.sources.archives import archives_of
from influx_lake.config.sources.databases import DatabaseGroup
from influx_lake.config.values.patterns import is_pattern, pattern_mistake
from influx_lake.config.values.pydantic_errors import options_of, validated
from influx_lake.config.values.timestamps import FIRST_POINT

DEFAULT_SOURCE = "default"
STAND_IN = InfluxDB3Config(host="localhost", database="unknown")
"""Replaces an invalid source, so that its measurements are validated too."""


@dataclass
class Declarations:
    """The resolved `defaults` and `measurements`."""

    defaults: DefaultOptions = field(default=DefaultOptions())
    measurements: list[Measurement] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    listed: set[tuple[str, str]] = field(default_factory=set)


def read_declarations(
    defaults: dict[str, Any],
    entries: dict[str, Any],
    sources: Mapping[str, SourceConfig],
    report: Report,
    groups: Sequence[DatabaseGroup] = (),
) -> Declarations:
    """Resolve every entry of `measurements` over the defaults.

    Args:
        defaults: The section `defaults`.
        entries: The section `measurements`.
        sources: The sources that are declared.
        report: Collects the mistakes.
        groups: The entries of `sources` with many databases.
    """
    return _Reader(defaults, sources, report, groups).read(entries)


class _Reader:
    def __init__(
        self,
        defaults: dict[str, Any],
        sources: Mapping[str, SourceConfig],
        report: Report,
        groups: Sequence[DatabaseGroup],
    ) -> None:
        self._report = report
        self._groups = {group.name: group for group in groups}
        self._sources = sources
        self._found = Declarations()
        self._tables = TableNames()
        for option in sorted(defaults.keys() & set(options_of(MeasurementOptions)) - set(options_of(DefaultOptions))):
            report.mistake(("defaults", option), "belongs to one measurement and cannot be a default")
            defaults = {name: value for name, value in defaults.items() if name != option}
        found, self._defaults = validated(DefaultOptions, defaults, ("defaults",), report)
        self._found.defaults = found or DefaultOptions()

    def read(self, entries: dict[str, Any]) -> Declarations:
        for key, entry in entries.items():
            if isinstance(entry, dict | None):
                self._read_entry(key, entry or {})
            else:
                message = f"must hold options, such as `{key}: {{partition: {{every: hour}}}}`, or nothing"
                self._report.mistake(("measurements", key), message)
        return self._found

    def _read_entry(self, key: str, entry: dict[str, Any]) -> None:
        location = ("measurements", key)
        if not key.strip():
            self._report.mistake(location, "a measurement needs a name")
            return
        if mistake := text_mistake(key, given=True) or pattern_mistake(key):
            self._report.mistake(location, mistake)
            return
        options, own = validated(MeasurementOptions, entry, location, self._report)
        if self._defaults:
            # Valid options may contradict valid defaults.
            options, _ = validated(MeasurementOptions, _merged(self._defaults, own), location, self._report)
        if options is None:
            return
        if (group := self._group(options)) is not None:
            self._declare_in_databases(key, options, group)
        elif is_pattern(key) and options.measurement is None:
            if options.table is not None and share_of(options, key) is None:
                message = (
                    "a pattern's matches cannot share a table: leave it out, or let them share it with "
                    "`metadata_columns: [measurement]` or `layout: long`"
                )
                self._report.mistake((*location, "table"), message)
                options = options.model_copy(update={"table": None})
            for name, rollup in options.rollups.items():
                if rollup.table is not None:
                    place = (*location, "rollups", name, "table")
                    self._report.mistake(place, "a pattern's matches cannot share a roll-up's table: leave it out")
            self._declare_pattern(key, options)
        else:
            self._declare_measurement(key, options)

    def _group(self, options: MeasurementOptions) -> DatabaseGroup | None:
        """The entry of `sources` with many databases that an entry belongs to, if any."""
        if options.source is not None:
            return self._groups.get(options.source)
        if DEFAULT_SOURCE in self._groups:
            return self._groups[DEFAULT_SOURCE]
        alone = len(self._groups) == 1 and all("/" in name for name in self._sources)
        return next(iter(self._groups.values())) if alone else None

    def _declare_in_databases(self, key: str, options: MeasurementOptions, group: DatabaseGroup) -> None:
        """Declare a measurement as a pattern: discovery finds which databases have it."""
        self._check_sources(key, options)
        name = options.measurement or key
        # The entry is validated even where no database is known.
        sources = (group.name, *filter(group.holds, self._sources))
        if all(self._resolve(key, name, options, source) is not None for source in sources):
            self._found.patterns.append(Pattern(name, group.name, options))

    def _declare_measurement(self, key: str, options: MeasurementOptions) -> None:
        name = options.measurement or key
        source = self._source(key, options)
        measurement = self._resolve(key, name, options, source)
        self._check_sources(key, options)
        if source is None:
            return
        self._found.listed.add((source, name))
        if measurement is None or not options.enabled:
            return
        if clash := self._tables.claim(measurement):
            place = self._report.place(("measurements", clash.other.key))
            message = f"{clash.reason} ({clash.other.key}: {place}): {clash.remedy}"
            self._report.mistake(("measurements", key, "table"), message)
        elif options.partition.start == FIRST_POINT:
            # Where its partitions start is known when the source was asked: until then it is looked for by its name.
            self._found.patterns.append(Pattern(name, source, options, key))
        else:
            self._found.measurements.append(measurement)

    def _declare_pattern(self, key: str, options: MeasurementOptions) -> None:
        source = self._source(key, options)
        self._check_sources(key, options)
        # A pattern is validated even without a match.
        if self._resolve(key, key, options, source) is not None and source is not None:
            self._found.patterns.append(Pattern(key, source, options))

    def _source(self, key: str, options: MeasurementOptions) -> str | None:
        if options.source is None:
            if DEFAULT_SOURCE in self._sources or len(self._sources) == 1:
                return DEFAULT_SOURCE if DEFAULT_SOURCE in self._sources else next(iter(self._sources))
            if self._sources:
                names = ", ".join(self._sources)
                message = (
                    f"several sources ({names}), none called {DEFAULT_SOURCE}: give `source` here or in `defaults`"
                )
                self._report.mistake(("measurements",), message, self._report.place(("measurements", key)))
            return None
        if options.source in self._sources:
            return options.source
        self._unknown_source(key, options.source, "source")
        return None

    def _check_sources(self, key: str, options: MeasurementOptions) -> None:
        if options.history is not None and options.history.source not in self._sources:
            self._unknown_source(key, options.history.source, "history", "source")
        if options.stream is None:
            return
        if options.stream not in self._sources:
            self._unknown_source(key, options.stream, "stream")
        elif not isinstance(self._sources[options.stream], KafkaConfig):
            own: Location = ("measurements", key, "stream")
            location = own if own in self._report.places else ("defaults", "stream")
            self._report.mistake(location, f"the source {options.stream!r} is none of type kafka: name one that is")

    def _unknown_source(self, key: str, name: str, *option: str) -> None:
        own: Location = ("measurements", key, *option)
        location = own if own in self._report.places else ("defaults", *option)
        declared = [*(known for known in self._sources if "/" not in known), *self._groups]
        guess = suggestion(name, declared) or f"; declared: {', '.join(declared) or 'none'}"
        self._report.mistake(location, f"{name!r} is not one of the sources{guess}")

    def _resolve(self, key: str, name: str, options: MeasurementOptions, source: str | None) -> Measurement | None:
        group = self._groups.get(source or "")
        config = group.server if group else self._sources.get(source or "", STAND_IN)
        try:
            return resolve_measurement(key, name, options, source or "", config, archives_of(self._sources, config))
        except OptionMistake as mistake:
            sections: tuple[Location, ...] = (("measurements", key), ("defaults",))
            stated = [(*section, *option) for section in sections for option in mistake.options]
            if any(map(self._report.has_lost_below, stated)):
                return None
            written = next((location for location in stated if location in self._report.places), None)
            self._report.mistake(written or self._around(stated), mistake.message)
            return None

    def _around(self, stated: Sequence[Location]) -> Location:
        """The option, of some missing ones, whose nearest written parent is deepest."""
        return max(stated, key=self._report.depth, default=("measurements",))


def _merged(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Options over the defaults: mappings are merged, other values replaced."""
    merged = dict(defaults)
    for name, value in own.items():
        base = merged.get(name)
        merged[name] = _merged(base, value) if isinstance(base, dict) and isinstance(value, dict) else value
    return merged
