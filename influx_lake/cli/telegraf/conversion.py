"""Converts a parsed Telegraf configuration to the parts of a lake.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from influx_lake.cli.telegraf import aggregators, inputs, outputs
from influx_lake.cli.telegraf.document import Document, Plugin
from influx_lake.cli.telegraf.filters import (
    COLUMN_OPTIONS,
    EVERY_NAME,
    NAME_OPTIONS,
    VALUE_OPTIONS,
    ColumnFilter,
    NameFilter,
)
from influx_lake.cli.telegraf.processors import columns, rows, starlark, strings, values
from influx_lake.cli.telegraf.remarks import Remark, Remarks
from influx_lake.cli.telegraf.shape import Shape
from influx_lake.cli.telegraf.variables import lake_values, resolved
from influx_lake.config.values.patterns import is_pattern
from influx_lake.config.values.validated_names import safe_table_name

_Apply = Callable[[Plugin, Shape, Remarks], None]
_OF_ALL = frozenset({"alias", "order", "log_level", "labels", *NAME_OPTIONS, *COLUMN_OPTIONS, *VALUE_OPTIONS})
_PROCESSORS: Mapping[str, tuple[_Apply, frozenset[str]]] = {
    "rename": (columns.rename, frozenset({"replace"})),
    "converter": (columns.converter, frozenset({"tags", "fields"})),
    "override": (columns.override, frozenset({"name_override", "name_prefix", "name_suffix", "tags"})),
    "defaults": (columns.defaults, frozenset({"fields", "tags"})),
    "enum": (values.enum, frozenset({"mapping"})),
    "date": (values.date, frozenset({"tag_key", "field_key", "date_format", "date_offset", "timezone"})),
    "scale": (values.scale, frozenset({"scaling"})),
    "round": (values.round_, frozenset({"precision", "include_fields", "exclude_fields"})),
    "template": (values.template, frozenset({"tag", "template"})),
    "strings": (strings.strings, frozenset(strings.STRINGS)),
    "regex": (strings.regex, frozenset({"tags", "fields", "tag_rename", "field_rename", "metric_rename"})),
    "filter": (rows.filter_, frozenset({"rule", "default"})),
    "starlark": (starlark.starlark, frozenset({"source", "script", "constants"})),
}
_WHY_NOT = {
    "unpivot": "a row for each field is the long layout: `layout: long` makes one table of many measurements",
    "pivot": "a row is one point: columns are not made of the values of several",
    "clone": "a measurement has one table: list it a second time, under a key of its own with `measurement: NAME`",
    "split": "a measurement has one table: list it once for each part, each with its `fields` and `tags`",
    "dedup": "leaving out what repeats the point before depends on the order of points",
    "topk": "which points are the greatest of a period depends on other points: a query or a roll-up",
    "cumulative_sum": "sums over points are for a query: a column is computed of one row",
    "timestamp": "cast the text to a time with `types` and `formats`",
    "printer": "prints, and changes nothing",
    "noise": "another value at every load could not be compared with the source",
}
_FOR_ALL = (
    "what it computes is written for all measurements, and one without the columns is refused: then list those that "
    "have them, each with its `computed`"
)
_WRITE_IT = "where one has it, write what is done with it into its entry"
_LOOKS_UP = "looks up values elsewhere: join the table with one that has them"


@dataclass(frozen=True, slots=True)
class Imported:
    """The parts of the lake.yaml.

    Attributes:
        sources: The section `sources`.
        defaults: The section `defaults`.
        measurements: The section `measurements`.
        left_out: Remarks on what was not converted.
        notes: Remarks on the rest.
    """

    sources: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    measurements: Mapping[str, Mapping[str, Any]]
    left_out: tuple[Remark, ...]
    notes: tuple[Remark, ...]


def imported(document: Document, *, source_only: bool = False) -> Imported:
    """Convert a configuration.

    Args:
        document: The configuration.
        source_only: Whether processors and aggregators are left out, because Telegraf keeps running them.
    """
    remarks = Remarks()
    found = outputs.sources_of(document, remarks)
    inputs.note_inputs(document, remarks)
    measurements: dict[str, dict[str, Any]] = {}
    keys = _keys(document, found, source_only, remarks)
    lacking: dict[int, list[set[str]]] = {}
    for key, output in keys.items():
        shape = inputs.shape_of(key, document)
        inputs.choose_columns(shape, document, remarks)
        alone = len(keys) == 1
        options = shape.options() if source_only else _options(shape, document, remarks, lacking, alone=alone)
        source = {} if output.name == "default" else {"source": output.name}
        measurements[key] = source | lake_values(options)
    for number, of_each in lacking.items():
        for name in sorted(set.intersection(*of_each)):
            remarks.leave_out(document.processors()[number], f"no measurement is known to have {name}: {_WRITE_IT}")
    _tables(measurements)
    common = _common_options([entry for entry in measurements.values() if entry.get("enabled", True)])
    own = {key: _beyond_defaults(entry, common) for key, entry in measurements.items()}
    sources = {output.name: output.entry for output in found}
    left_out, notes = sorted(remarks.left_out), sorted(remarks.notes)
    return Imported(sources, common, own, tuple(left_out), tuple(notes))


def _options(
    shape: Shape, document: Document, remarks: Remarks, lacking: dict[int, list[set[str]]], *, alone: bool
) -> dict[str, Any]:
    """Convert the processors and aggregators of a measurement to its options.

    Args:
        shape: The measurement.
        document: The configuration.
        remarks: Gets remarks.
        lacking: By processor, the columns it names that a measurement lacks; this measurement's are added.
        alone: Whether there is no other measurement.
    """
    for number, plugin in enumerate(document.processors()):
        names = NameFilter.of(plugin)
        if names.takes(shape.name):
            # The columns of a measurement named explicitly are known.
            shape.trusting = alone or shape.name in names.passed
            shape.lacking.clear()
            _apply(plugin, shape, remarks)
            lacking.setdefault(number, []).append(set(shape.lacking))
    options = shape.options()
    if shape.dropped:
        return options
    rollups = [aggregators.rollup(plugin, shape.name, remarks) for plugin in document.of("aggregators")]
    return options | ({"rollups": dict(each for each in rollups if each)} if any(rollups) else {})


def _apply(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    if plugin.name not in _PROCESSORS:
        remarks.leave_out(plugin, _WHY_NOT.get(plugin.name, _LOOKS_UP))
        return
    for name in VALUE_OPTIONS:
        if plugin.options.get(name):
            remarks.leave_out(plugin, "an option is for all rows: write a CASE under `computed`", name)
            return
    apply, known = _PROCESSORS[plugin.name]
    inputs.apply_filter(shape, ColumnFilter.of(plugin), plugin, remarks)
    for name in plugin.options.keys() - known - _OF_ALL:
        remarks.leave_out(plugin, "is no option that is known", name)
    before = set(shape.kept_besides())
    apply(plugin, shape, remarks)
    if shape.is_pattern and shape.has_unsure_expression and not NameFilter.of(plugin).passed:
        remarks.note(plugin, _FOR_ALL)
    for name in set(shape.kept_besides()) - before:
        remarks.note(plugin, f"the table keeps {name} beside what is computed from it")


def _keys(
    document: Document, found: list[outputs.Output], source_only: bool, remarks: Remarks
) -> dict[str, outputs.Output]:
    """The keys of `measurements`, most specific first, each with its source."""
    names = [resolved(name) for plugin in document.of("inputs") for name in inputs.names_of(plugin)]
    is_open = EVERY_NAME in names or not names
    processors = () if source_only else document.processors()
    if is_open:
        made = {str(each.get("dest")) for plugin in processors for _, each in plugin.tables("replace")}
        named = [name for plugin in processors for name in NameFilter.of(plugin).names()]
        named += [
            str(each["measurement"])
            for plugin in processors
            for _, each in plugin.tables("replace")
            if each.get("measurement")
        ]
        names += [name for name in named if name not in made]
        names += [name for output in found for name in output.names.passed]
        names.append(EVERY_NAME)
    keys: dict[str, outputs.Output] = {}
    for name in sorted(dict.fromkeys(names), key=_specificity):
        output = next((output for output in found if output.names.takes(name)), None)
        if output is not None:
            keys[name] = output
    for output in found:
        if output not in keys.values() and output.plugin is not None:
            remarks.note(
                output.plugin, f"the source {output.name} gets points that another one has: none are loaded from it"
            )
    return keys


def _specificity(name: str) -> tuple[bool, bool, int]:
    """A sort key: names first, then patterns, `*` last."""
    pattern = is_pattern(name)
    return pattern, name == EVERY_NAME, -len(name) if pattern else 0


def _tables(measurements: dict[str, dict[str, Any]]) -> None:
    """Give measurements table names that catalogs accept; equal names make shared wide tables."""
    tables: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, entry in measurements.items():
        if "table" in entry:
            entry["table"] = safe_table_name(entry["table"])
        if not is_pattern(key) and entry.get("enabled", True):
            name = entry.get("table", safe_table_name(key))
            tables.setdefault((entry.get("source", ""), name.lower()), []).append(entry)
    for entries in tables.values():
        for entry in entries if len(entries) > 1 else []:
            entry["metadata_columns"] = ["measurement"]


def _common_options(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The options that all measurements have in common, for `defaults`."""
    if len(entries) < 2:
        return {}
    first, *others = entries
    common: dict[str, Any] = {}
    for name, value in first.items():
        if name in ("table", "source"):
            continue
        if all(other.get(name) == value for other in others):
            common[name] = value
        elif name in ("rename", "types", "map", "constants", "computed"):
            shared = {
                key: each
                for key, each in value.items()
                if all(other.get(name, {}).get(key) == each for other in others)
            }
            own = {key for entry in entries for key in entry.get(name, {}) if key not in shared}
            if name == "computed":
                # Defaults come first, and an expression names only columns that are there before it.
                shared = {key: text for key, text in shared.items() if not own & set(_WORD.findall(text))}
            common |= {name: shared} if shared else {}
    return common


def _beyond_defaults(entry: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an entry that differ from the defaults."""
    own: dict[str, Any] = {}
    for name, value in entry.items():
        shared = common.get(name)
        if isinstance(value, dict) and isinstance(shared, dict):
            if rest := {key: each for key, each in value.items() if key not in shared}:
                own[name] = rest
        elif value != shared:
            own[name] = value
    return own


_WORD = re.compile(r'[A-Za-z_][A-Za-z0-9_]*|(?<=")[^"]+(?=")')
