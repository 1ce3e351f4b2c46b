"""Converts triggers of the plugin to the parts of a lake.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from influx_lake.cli.plugin.catalogs import CatalogEntry, Credential, catalog_entry
from influx_lake.cli.plugin.triggers import Trigger
from influx_lake.config.lake.lake_file import escaped, stored_secret
from influx_lake.config.measurements.tail import SHORTEST_EVERY
from influx_lake.config.values.patterns import is_pattern
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.validated_names import Namespace, TableName, safe_table_name
from influx_lake.errors import ConfigurationError

_DAY = timedelta(days=1)
_HOST, _HOST_UNSET = "INFLUXDB3_HOST", "http://127.0.0.1:8181"
_DATABASE, _DATABASE_UNSET = "INFLUXDB3_DATABASE", "telemetry"
_TOKEN = "INFLUXDB3_TOKEN"  # noqa: S105 - a variable's name
_FOR_ALL = (
    (
        "window",
        "each run appended its window once more, so that a row was in the table as often as windows held it, and a run "
        "that failed or was skipped left a gap: here a window is replaced in one commit, and loaded when it is missing",
    ),
    (
        "window",
        "points that came after their window were never transferred: here `lag` waits for them, and `reconcile` finds "
        "those of loaded windows",
    ),
    (
        "time",
        "the server's local time was taken for UTC, and nanoseconds were cut: here windows are UTC, and `time_ns` is "
        "added with the first time that is finer than a microsecond",
    ),
    (
        "columns",
        "types and `required` were guessed from the first rows: here they are InfluxDB's, and every column but the "
        "time may be null. Where a point has no value the table has null, and not 0, false or ''",
    ),
    (
        "tables",
        "those that the plugin filled have times without a zone, which `time_type: timestamp` goes on with. "
        "`influx-lake adopt --all` checks them against the source and loads what differs; to have times with their "
        "zone, take `time_type` out and load into new tables: `influx-lake adopt MEASUREMENT --into TABLE`",
    ),
)
_COLUMNS_ADDED = {
    True: "a new column is added in the commit of the rows that need it; one that was required takes nulls after "
    "`influx-lake adopt`",
    False: "new columns were left out without a word: here they are added. `schema_evolution: strict` stops at them",
}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A difference in behaviour for a setting of the plugin.

    Attributes:
        origin: The trigger; empty for all triggers.
        setting: The setting.
        text: The difference.
    """

    origin: str
    setting: str
    text: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.setting}: {self.text}" if self.origin else f"{self.setting}: {self.text}"

    def facts(self) -> dict[str, str]:
        """The difference as JSON."""
        return {"origin": self.origin, "setting": self.setting, "text": self.text}


@dataclass(frozen=True, slots=True)
class Imported:
    """The parts of the lake.yaml.

    Attributes:
        sources: The section `sources`.
        catalog: The section `catalog`.
        defaults: The section `defaults`.
        measurements: The section `measurements`.
        changes: The differences in behaviour.
        credentials: The environment variables to set for secrets.
        places: The environment variables of host and database, by their defaults.
    """

    sources: Mapping[str, Mapping[str, Any]]
    catalog: Mapping[str, str]
    defaults: Mapping[str, Any]
    measurements: Mapping[str, Mapping[str, Any]]
    changes: tuple[Change, ...]
    credentials: tuple[Credential, ...]
    places: Mapping[str, str]


def imported(
    triggers: Sequence[Trigger], *, host: str | None = None, database: str | None = None, start: date | None = None
) -> Imported:
    """Convert triggers.

    Args:
        triggers: The triggers.
        host: The server; None: the variable `INFLUXDB3_HOST`.
        database: The database of triggers that name none; None: the variable `INFLUXDB3_DATABASE`.
        start: The oldest day to load; None: the earliest start of a request, else each measurement's first point.

    Raises:
        ConfigurationError: The triggers have several catalogs, two of them are of one table and of different
            measurements, or one is of a table that cannot be called so in a lake.yaml.
    """
    for trigger in triggers:
        _check_names(trigger)
    catalog = _catalog(triggers)
    sources = _sources(triggers, host, database)
    changes = [Change("", setting, text) for setting, text in _FOR_ALL]
    entries: dict[str, dict[str, Any]] = {}
    for trigger in _one_for_each_table(triggers):
        entry = {"measurement": escaped(trigger.measurement), **_entry(trigger)}
        source = next(name for name, (of, _) in sources.items() if of == trigger.database)
        entry |= {} if source == "default" else {"source": source}
        key = _key(trigger, entries)
        if key == trigger.measurement:
            del entry["measurement"]
        if entry["table"] == safe_table_name(key):
            del entry["table"]
        entries[key] = entry
    for trigger in triggers:
        changes += _changes(trigger)
    for key in catalog.relative:
        changes.append(
            Change("", f"catalog_configs: {key}", "was below the server's folder, and is below that of the lake.yaml")
        )
    namespaces = [entry["namespace"] for entry in entries.values()]
    common = max(dict.fromkeys(namespaces), key=namespaces.count)
    for entry in entries.values():
        if entry["namespace"] == common:
            del entry["namespace"]
    first = start or min((trigger.start.date() for trigger in triggers if trigger.start), default=None)
    return Imported(
        sources={name: entry for name, (_, entry) in sources.items()},
        catalog=catalog.properties,
        defaults={
            "namespace": common,
            "partition": {"every": "day", "start": first.isoformat() if first else "first_point"},
            "lag": "10m",
            "time_type": "timestamp",
            "iceberg_partition": [f"day({TIME})"],
            "schema_evolution": "add_columns",
            "on_shrink": "fail",
        },
        measurements=entries,
        changes=tuple(dict.fromkeys(changes)),
        credentials=(Credential(_TOKEN, "a token that may read the database"), *catalog.credentials),
        places={
            variable: unset
            for variable, unset in ((_HOST, _HOST_UNSET), (_DATABASE, _DATABASE_UNSET))
            if any(f"${{{variable}:-" in str(entry) for _, entry in sources.values())
        },
    )


def _check_names(trigger: Trigger) -> None:
    """Refuse table names that lake.yaml does not allow, in terms of the trigger."""
    setting = "table_name" if trigger.table else "measurement"
    *namespace, table = trigger.identifier
    for of, kind, name in (
        ("namespace", Namespace, trigger.namespace),
        # A dot in the name of a table begins another part.
        (setting, Namespace, ".".join(namespace)),
        (setting, TableName, table),
    ):
        try:
            TypeAdapter[str](kind).validate_python(name)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ConfigurationError(
                f"{trigger.origin}: {of}: {name!r} {message}",
                remedy="Give the trigger a namespace and a table_name that a lake.yaml takes, or write the measurement "
                "into the lake.yaml by hand, with a `table`: its rows are loaded anew",
            ) from None


def _catalog(triggers: Sequence[Trigger]) -> CatalogEntry:
    first, *others = triggers
    different = [each for each in others if each.catalog != first.catalog]
    if different:
        raise ConfigurationError(
            f"{first.origin} and {different[0].origin} have different catalogs, and a lake.yaml has one",
            remedy="Write a lake.yaml for each: import those of one catalog at once, with another --out",
        )
    return catalog_entry(first.catalog)


def _sources(
    triggers: Iterable[Trigger], host: str | None, database: str | None
) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """The sources by name, each with the database that triggers name."""
    found: dict[str, tuple[str | None, dict[str, Any]]] = {}
    for name in dict.fromkeys(trigger.database for trigger in triggers):
        entry = {
            "type": "influxdb3",
            "host": escaped(host) if host else f"${{{_HOST}:-{_HOST_UNSET}}}",
            "database": escaped(name or database or "") or f"${{{_DATABASE}:-{_DATABASE_UNSET}}}",
            "token": stored_secret(_TOKEN),
        }
        found[safe_table_name(name) if found and name else "default"] = (name, entry)
    return found


def _one_for_each_table(triggers: Sequence[Trigger]) -> Iterator[Trigger]:
    """One trigger for each table: of several, the one that runs most often."""
    tables: dict[tuple[str, ...], list[Trigger]] = {}
    for trigger in triggers:
        tables.setdefault(trigger.identifier, []).append(trigger)
    for name, each in tables.items():
        first = each[0]
        for other in each[1:]:
            if (other.measurement, other.database, _chosen(other)) != (
                first.measurement,
                first.database,
                _chosen(first),
            ):
                raise ConfigurationError(
                    f"{first.origin} and {other.origin} fill the table {'.'.join(name)} with different rows",
                    remedy="Give one of them another table_name",
                )
        yield min(each, key=lambda trigger: _interval(trigger) or _DAY)


def _key(trigger: Trigger, taken: Mapping[str, Any]) -> str:
    name = trigger.measurement
    if name not in taken and not is_pattern(name):
        return name
    table_name = safe_table_name("_".join(trigger.identifier))
    number, key = 2, table_name
    while key in taken:
        number, key = number + 1, f"{table_name}_{number}"
    return key


def _entry(trigger: Trigger) -> dict[str, Any]:
    *namespace, table = trigger.identifier
    entry: dict[str, Any] = {"namespace": escaped(".".join(namespace)), "table": escaped(table)}
    how, names = _chosen(trigger)
    if names:
        # The plugin has one list for fields and tags.
        entry |= {"fields": {how: names}, "tags": {how: names}, "duplicates": "keep"}
    interval = _interval(trigger)
    if interval is not None and interval < _DAY:
        entry["tail"] = {"every": format_duration(max(interval, SHORTEST_EVERY))}
    return entry


def _chosen(trigger: Trigger) -> tuple[str, list[str]]:
    how, names = ("include", trigger.included) if trigger.included else ("exclude", trigger.excluded)
    return how, [_literal(name) for name in dict.fromkeys(names) if name != TIME]


def _literal(name: str) -> str:
    """A name, escaped so that as a pattern it matches only itself."""
    return escaped("".join(f"[{each}]" if each in "*?[" else each for each in name))


def _interval(trigger: Trigger) -> timedelta | None:
    return trigger.every or trigger.window


def _changes(trigger: Trigger) -> Iterator[Change]:
    def change(setting: str, text: str) -> Change:
        return Change(trigger.origin, setting, text)

    interval = _interval(trigger)
    if trigger.window is not None and trigger.every is not None and trigger.every < trigger.window:
        copies = trigger.window // trigger.every
        yield change(
            "window", f"windows overlapped: each row was appended about {copies:,} times, and is there once now"
        )
    if interval is not None and interval < _DAY:
        every = format_duration(max(interval, SHORTEST_EVERY))
        yield change("window", f"`tail` adds the new points of the open day every {every}; closed, it is loaded whole")
    if trigger.included and trigger.excluded:
        yield change("excluded_fields", "the plugin ignores it beside included_fields: it is left out")
    if trigger.included or trigger.excluded:
        yield change(
            "included_fields" if trigger.included else "excluded_fields",
            "names fields and tags alike. Points that only tags told apart which are left out stay rows of their own "
            "(`duplicates: keep`)",
        )
    if len(trigger.identifier) > 2:
        yield change(
            "table_name",
            f"a dot in it begins another namespace: the table is {trigger.identifier[-1]!r} in "
            f"{'.'.join(trigger.identifier[:-1])!r}",
        )
    yield change("auto_update_schema", _COLUMNS_ADDED[trigger.auto_update_schema])
    for name in trigger.ignored:
        yield change(name, "is no option of the plugin, which ignores it: it is left out")
