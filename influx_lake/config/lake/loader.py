"""Loads a lake.yaml to a `Lake`, and reports all mistakes at once."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from influx_lake.config.catalogs import catalog_mistakes, value_mistakes
from influx_lake.config.catalogs.nested import flat
from influx_lake.config.catalogs.options import (
    CATALOG_TYPES,
    DEFAULT_CATALOG,
    CatalogConfig,
    CatalogSection,
    absolute_properties,
)
from influx_lake.config.catalogs.store_properties import name_mistakes
from influx_lake.config.connections import DEFAULT_TYPE, SOURCE_TYPES, ServerConfig, SourceConfig, source_model
from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.document.interpolation import interpolate
from influx_lake.config.document.reading import read_document
from influx_lake.config.lake.alerts import SECRETS as ALERT_SECRETS
from influx_lake.config.lake.alerts import AlertOptions
from influx_lake.config.lake.declarations import STAND_IN, read_declarations
from influx_lake.config.lake.deferred_secrets import DeferredSecrets
from influx_lake.config.lake.deferred_values import is_deferred
from influx_lake.config.lake.engine_use import engine_mistakes
from influx_lake.config.lake.lake import Lake
from influx_lake.config.lake.operation import OperationOptions
from influx_lake.config.lake.overlaps import overlaps
from influx_lake.config.lake.packages import (
    missing_for_catalog,
    missing_for_metrics,
    missing_for_openlineage,
    missing_for_source,
)
from influx_lake.config.lake.serving import ServeOptions
from influx_lake.config.lake.spark import SparkOptions
from influx_lake.config.lake.storage_profiles import Profile, profile_of, read_profiles
from influx_lake.config.lake.table_names import TableNames
from influx_lake.config.maintenance.engines import CONF, EngineConnections
from influx_lake.config.maintenance.engines import SECRETS as ENGINE_SECRETS
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.observation.cost import CostOptions
from influx_lake.config.observation.metrics import PUSH, TAKERS, MetricsOptions
from influx_lake.config.observation.openlineage import TRANSPORT, OpenLineageOptions
from influx_lake.config.observation.openlineage import closed as closed_transport
from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import Location, Place, Report, suggestion
from influx_lake.config.report.excerpts import text_mistake
from influx_lake.config.sources.databases import DatabaseGroup, many_databases
from influx_lake.config.sources.discovery import STATE, Discovered, read_discovered
from influx_lake.config.values.patterns import pattern_mistake
from influx_lake.config.values.pydantic_errors import validated
from influx_lake.errors import ConfigurationError

DEFAULT_PATH = Path("lake.yaml")
PATH_VARIABLE = "INFLUX_LAKE_CONFIG"
OPERATION = tuple(OperationOptions.model_fields)
_PARTS = "storage sources catalog defaults measurements alerts engines spark serve openlineage metrics cost"
SECTIONS = (*_PARTS.split(), *OPERATION)

_SOURCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


def find_config(path: Path | str | None = None) -> Path:
    """The path of the lake.yaml: the argument, else $INFLUX_LAKE_CONFIG, else ./lake.yaml; absolute."""
    return Path(path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH).expanduser().absolute()


def load_lake(path: Path | str | None = None, discovered: Discovered | None = None) -> Lake:
    """Load a lake.yaml. Nothing is contacted, and secrets are not read.

    Args:
        path: The file; default: by `find_config`.
        discovered: The discovery results; default: those kept beside the file.

    Raises:
        ConfigurationProblems: The file has mistakes; all of them are in it.
        ConfigurationError: The file does not exist.
    """
    file = find_config(path)
    if not file.is_file():
        raise ConfigurationError(
            f"there is no {file}",
            remedy="Write one with `influx-lake init`, or name yours with -c or $INFLUX_LAKE_CONFIG",
        )
    report = Report(Path(os.path.normpath(file)))
    return _checked(read_document(report.path, report), report, report.path, discovered)


def lake_of(
    sections: Mapping[str, Any],
    path: Path,
    places: Mapping[Location, Place] | None = None,
    discovered: Discovered | None = None,
) -> Lake:
    """Build a lake from sections given as data. Nothing is contacted, and secrets are not read.

    Args:
        sections: The sections, as YAML reads them.
        path: The file with the sections; relative paths are below its folder.
        places: The file and line of each entry, for messages.
        discovered: The discovery results; default: those kept in the file's folder.

    Raises:
        ConfigurationProblems: There are mistakes; all of them are in it.
    """
    report = Report(path, dict(places or {}))
    return _checked({name: _as_text(section) for name, section in sections.items()}, report, None, discovered)


def _checked(written: dict[str, Any], report: Report, lake: Path | None, discovered: Discovered | None) -> Lake:
    loaded = _Loader(report, lake, discovered).load(written)
    report.refuse()
    return replace(loaded, warnings=tuple(report.warnings))


def _as_text(value: Any) -> Any:
    """Convert values to texts, as a lake.yaml is read."""
    if isinstance(value, Mapping):
        return {str(name): _as_text(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)


class _Loader:
    def __init__(self, report: Report, lake: Path | None, discovered: Discovered | None) -> None:
        self._report = report
        self._lake = lake
        self._secrets = DeferredSecrets(report, lake)
        self._discovered = discovered
        self._path = report.path
        self._root = report.path.parent
        self._profiles: dict[str, Profile] = {}

    def load(self, written: dict[str, Any]) -> Lake:
        for name in sorted(written.keys() - set(SECTIONS)):
            guess = suggestion(name, SECTIONS) or f"; known: {', '.join(SECTIONS)}"
            self._report.mistake((name,), f"unknown section{guess}")
        sections = {name: self._section(name, written.get(name)) for name in SECTIONS if name not in OPERATION}
        self._profiles = read_profiles(sections["storage"], self._report, self._root, self._lake)
        for name, profile in self._profiles.items():
            self._secrets.warn_of_literals(profile, {key: ("storage", name, key) for key in profile})
        groups, entries = self._groups(sections["sources"])
        sources = self._sources(entries, groups)
        known, damage = self._known()
        for group in groups:
            sources |= group.sources(group.discovered(known.measurements))
        catalog = self._catalog(sections["catalog"] or DEFAULT_CATALOG)
        self._check_overlaps(catalog, sources)
        found = read_declarations(sections["defaults"], sections["measurements"], sources, self._report, groups)
        lake = Lake(
            self._path,
            sources,
            catalog,
            tuple(found.measurements),
            tuple(found.patterns),
            frozenset(found.listed),
            operation=self._operation(written, [*entries, *(group.name for group in groups)]),
            alerts=self._alerts(sections["alerts"]),
            groups=tuple(groups),
            engines=self._engines(sections["engines"]),
            spark=self._spark(sections["spark"]),
            serve=self._serve(sections["serve"]),
            defaults=found.defaults,
            openlineage=self._openlineage(sections["openlineage"]),
            metrics=self._metrics(sections["metrics"]),
            cost=self._cost(sections["cost"]),
            first_points=known.first_points,
        )
        if damage and (lake.patterns or groups):
            self._report.mistake((), damage, Place(self._root / STATE, 1))
        gone = frozenset((source, name) for source, names in known.gone.items() for name in names)
        lake = replace(lake, measurements=(*lake.measurements, *self._matches(lake, known)), gone=gone)
        for location, mistake in engine_mistakes(lake):
            self._report.mistake(location if location in self._report.places else ("defaults", *location[2:]), mistake)
        patience = min((each.write.commit_timeout for each in lake.measurements), default=None)
        return replace(lake, catalog=replace(catalog, lock_timeout=patience))

    def _operation(self, written: dict[str, Any], sources: Collection[str]) -> OperationOptions:
        stated = interpolate({name: written[name] for name in OPERATION if name in written}, (), self._report)
        # A section with nothing below it says nothing.
        stated = {name: value for name, value in stated.items() if value is not None}
        operation, _ = validated(OperationOptions, stated, (), self._report)
        operation = operation or OperationOptions()
        for name in sorted(operation.pools.sources.keys() - set(sources)):
            message = f"is not one of the sources{suggestion(name, sources)}"
            self._report.mistake(("pools", "sources", name), message)
        return operation

    def _section(self, name: str, written: Any) -> dict[str, Any]:
        if written is None or isinstance(written, dict):
            section: dict[str, Any] = interpolate(written or {}, (name,), self._report, is_deferred)
            return section
        self._report.mistake((name,), "must hold entries, such as `key: value`")
        return {}

    def _groups(self, entries: dict[str, Any]) -> tuple[list[DatabaseGroup], dict[str, Any]]:
        """Split `sources` into entries with many databases and the others."""
        groups, others = [], dict[str, Any]()
        for name, entry in entries.items():
            model = source_model(entry) if isinstance(entry, dict) else None
            option = model.DATABASE_OPTION if model is not None and issubclass(model, ServerConfig) else ""
            databases = many_databases(entry.get(option)) if option else None
            if databases is None:
                others[name] = entry
                continue
            self._check_databases(databases, ("sources", name, option))
            server = self._source(name, {**entry, option: databases[0]})
            if isinstance(server, ServerConfig):
                groups.append(DatabaseGroup(name, server, databases))
        return groups, others

    def _check_databases(self, databases: Sequence[str], location: Location) -> None:
        for place, database in enumerate(databases):
            again = f"{database!r} is named twice in this list: take one of them out"
            unread = text_mistake(database)
            mistake = unread or pattern_mistake(database) or (again if database in databases[:place] else None)
            if unread and not place:
                # The first one stands for the server, whose options are checked.
                continue
            if mistake:
                self._report.mistake((*location, place) if len(databases) > 1 else location, mistake)

    def _sources(self, entries: dict[str, Any], groups: Sequence[DatabaseGroup]) -> dict[str, SourceConfig]:
        if not entries and not groups and not self._report.problems:
            example = "sources: {default: {host: http://127.0.0.1:8181, database: telemetry}}"
            self._report.mistake(("sources",), f"no source is declared: write `{example}`")
        return {name: self._source(name, entry) for name, entry in entries.items()}

    def _source(self, name: str, entry: Any) -> SourceConfig:
        location = ("sources", name)
        if _SOURCE_NAME.fullmatch(name) is None:
            self._report.mistake(location, "is not a name: letters, digits, _ and -")
        if not isinstance(entry, dict):
            self._report.mistake(location, "must hold options, such as `host` and `database`")
            return STAND_IN
        model = source_model(entry)
        if model is None or self._report.is_lost((*location, "type")):
            if model is None:
                message = self._not_one_of(entry["type"], SOURCE_TYPES, (*location, "type"))
                self._report.mistake((*location, "type"), message)
            return STAND_IN

        def close(text: str, inside: Location) -> Secret:
            where = (*location, *(str(part) for part in inside))
            secret = Secret(text, root=self._root, lake=self._lake, location=where)
            self._secrets.warn_of_literal(secret, where, f"{entry.get('type', DEFAULT_TYPE)}_{inside[-1]}".upper())
            return secret

        entry, shared = model.with_secrets(entry, close), False
        if issubclass(model, StoredConfig) and isinstance(entry.get("storage"), str):
            entry, shared = {**entry, "storage": self._profile(entry["storage"], location)}, True
        config, kept = validated(model, entry, location, self._report, hide=model.secret_options())
        self._check_files(config, {} if shared else kept.get("storage") or {}, location)
        return config or STAND_IN.model_copy(update={key: kept[key] for key in ("database",) if kept.get(key)})

    def _check_files(self, config: SourceConfig | None, storage: Profile, location: Location) -> None:
        """Validate how a source's files are reached, as far as it is written out."""
        for place, mistake in missing_for_source(config) if config else ():
            self._report.mistake((*location, *place), mistake)
        if isinstance(config, StoredConfig):
            # A missing half of a pair of keys is a consequence of a typo in the other half's name.
            for key, mistake in tuple(name_mistakes(storage)) or value_mistakes(storage):
                self._report.mistake((*location, "storage", key), mistake)

    def _profile(self, name: str, location: Location) -> Profile:
        return profile_of(name, self._profiles, (*location, "storage"), self._report)

    def _catalog(self, entries: dict[str, Any]) -> CatalogConfig:
        entries, inner = flat(entries)
        _, kept = validated(CatalogSection, entries, ("catalog",), self._report, hide=frozenset(entries))
        properties = {key: value for key, value in kept.items() if value is not None}
        name = properties.pop("name", DEFAULT_CATALOG["name"])
        profile = properties.pop("storage", None)
        shared = self._profile(profile, ("catalog",)) if profile is not None else {}
        own = CatalogConfig.of(properties, name=name, root=self._root, lake=self._lake, places=inner)
        catalog = replace(own, entries={**shared, **own.entries})
        places = {key: ("catalog", *inner.get(key, (key,))) for key in own.entries}
        kind = catalog.entries.get("type")
        if isinstance(kind, str) and kind not in CATALOG_TYPES:
            self._report.mistake(("catalog", "type"), self._not_one_of(kind, CATALOG_TYPES, ("catalog", "type")))
        for key, mistake in (*catalog_mistakes(catalog.entries), *missing_for_catalog(catalog.entries)):
            place = places.get(key, ("catalog", "storage" if key in shared else key))
            if not self._report.is_lost(place):
                self._report.mistake(place, mistake)
        self._secrets.warn_of_literals(own.entries, places)
        return catalog

    def _check_overlaps(self, catalog: CatalogConfig, sources: Mapping[str, SourceConfig]) -> None:
        """Report a warehouse among the files of a source; a secret one is checked when used."""
        warehouse = absolute_properties(catalog.entries, self._root).get("warehouse")
        if not isinstance(warehouse, str):
            return
        for name, mistake in overlaps(warehouse, sources):
            if ("catalog", "warehouse") in self._report.places:
                self._report.mistake(("catalog", "warehouse"), mistake)
            else:
                self._report.mistake(("sources", name, "path"), f"the warehouse, {warehouse}, {mistake}")

    def _alerts(self, entries: dict[str, Any]) -> AlertOptions | None:
        if not entries:
            return None
        for path in ALERT_SECRETS:
            entries = self._secrets.within(entries, path, ("alerts", *path))
        hidden = frozenset(path[-1] for path in ALERT_SECRETS)
        return validated(AlertOptions, entries, ("alerts",), self._report, hide=hidden)[0]

    def _engines(self, entries: dict[str, Any]) -> EngineConnections:
        for path in ENGINE_SECRETS:
            entries = self._secrets.within(entries, path, ("engines", *path))
        spark, conf = entries.get(CONF[0]), CONF[1]
        if isinstance(spark, dict) and isinstance(spark.get(conf), dict):
            # Any of them may be a secret.
            closed = {name: self._property(name, value) for name, value in spark[conf].items()}
            entries = {**entries, CONF[0]: {**spark, conf: closed}}
        hidden = frozenset((*(path[-1] for path in ENGINE_SECRETS), conf))
        found = validated(EngineConnections, entries, ("engines",), self._report, hide=hidden)[0]
        return found or EngineConnections()

    def _spark(self, entries: dict[str, Any]) -> SparkOptions:
        return validated(SparkOptions, entries, ("spark",), self._report)[0] or SparkOptions()

    def _serve(self, entries: dict[str, Any]) -> ServeOptions:
        tokens = entries.get("tokens")
        if isinstance(tokens, list):
            closed = [
                self._secrets.as_secret(each, ("serve", "tokens", str(place))) for place, each in enumerate(tokens)
            ]
            entries = {**entries, "tokens": closed}
        found = validated(ServeOptions, entries, ("serve",), self._report, hide=frozenset({"tokens"}))[0]
        return found or ServeOptions()

    def _cost(self, entries: dict[str, Any]) -> CostOptions | None:
        return validated(CostOptions, entries, ("cost",), self._report)[0] if entries else None

    def _metrics(self, entries: dict[str, Any]) -> MetricsOptions | None:
        if not entries:
            return None
        if isinstance(address := entries.get(PUSH[0]), str) and address:
            entries = {**entries, PUSH[0]: self._secrets.any_text(address, ("metrics", *PUSH))}
        if not (TAKERS & entries.keys() or self._report.has_lost_below(("metrics",))):
            self._report.mistake(("metrics",), "nobody would get them: give a push or a text_file")
        if mistake := missing_for_metrics():
            self._report.mistake(("metrics",), mistake)
        return validated(MetricsOptions, entries, ("metrics",), self._report, hide=frozenset(PUSH))[0]

    def _openlineage(self, entries: dict[str, Any]) -> OpenLineageOptions | None:
        if not entries:
            return None
        place = ("openlineage", TRANSPORT)
        closed = {TRANSPORT: closed_transport(entries.get(TRANSPORT), place, self._secrets.any_text)}
        found = validated(OpenLineageOptions, {**entries, **closed}, place[:1], self._report, hide=frozenset(closed))[0]
        for option, mistake in missing_for_openlineage(found.kind) if found else ():
            self._report.mistake((*place, option), mistake)
        return found

    def _property(self, name: str, value: Any) -> Any:
        return self._secrets.any_text(value, ("engines", *CONF, name)) if isinstance(value, str) and value else value

    def _not_one_of(self, value: Any, known: Iterable[str], location: Location) -> str:
        if not isinstance(value, str):
            return f"must be one of {', '.join(known)}"
        if mistake := text_mistake(value):
            return mistake
        written = self._report.written.get(location)
        shown = f"the value of {written!r}" if written else repr(value)
        return f"{shown} is not one of {', '.join(known)}{suggestion(value, known)}"

    def _known(self) -> tuple[Discovered, str | None]:
        """The discovery results, and why they cannot be read: an error only for a lake that needs them."""
        if self._discovered is not None:
            return self._discovered, None
        try:
            return read_discovered(self._root), None
        except ConfigurationError as error:
            return Discovered(), str(error)

    def _matches(self, lake: Lake, known: Discovered) -> list[Measurement]:
        tables, found = TableNames(lake.measurements), []
        for source in sorted(known.measurements.keys() & lake.sources.keys()):
            for pattern, measurement in lake.match(source, known.measurements[source]):
                if clash := tables.claim(measurement):
                    message = f"{clash.reason}: list one under `measurements` with its own `table`"
                    self._report.mistake(("measurements", pattern.text), message)
                else:
                    found.append(measurement)
        return sorted(found, key=lambda measurement: measurement.path)
