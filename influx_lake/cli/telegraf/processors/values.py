"""Converts processors that compute values: enum, date, scale, round, template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from influx_lake.cli.telegraf.document import Plugin, texts
from influx_lake.cli.telegraf.filters import one_name
from influx_lake.cli.telegraf.go_layout import strftime_format
from influx_lake.cli.telegraf.remarks import NotCarriedOver, Remarks
from influx_lake.cli.telegraf.shape import Column, Shape, Sql
from influx_lake.cli.telegraf.sql import literal
from influx_lake.config.values.patterns import is_pattern

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?")
_UNITS = {"unix_ms": "epoch_ms(time)", "unix_us": "epoch_us(time)", "unix_ns": "epoch_ns(time)"}
_DURATION = re.compile(r"([+-]?\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_ONE_TYPE = "a column has one type: a value of {name} that is not mapped stops the run, unless on_cast_error says else"
_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_TEMPLATE = re.compile(r"""\.(Tag|Field)\s+(?:"([^"]+)"|`([^`]+)`)|\.(Name)|\.Time(?:\.UTC)?\.(Year|Day|Hour|Minute)""")
_TIMES = {"Year": "%Y", "Day": "%-d", "Hour": "%-H", "Minute": "%-M"}


def enum(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `enum`: mapped values."""
    for number, mapping in plugin.tables("mapping"):
        values, default = mapping.get("value_mappings"), mapping.get("default")
        if not isinstance(values, dict) or (not values and default is None):
            remarks.leave_out(plugin, "maps nothing", "mapping", number)
            continue
        for kind, one, several in (("field", "field", "fields"), ("tag", "tag", "tags")):
            for name in [*texts(mapping.get(several)), *texts(mapping.get(one))]:
                with remarks.leaving_out(plugin, "mapping", number):
                    _map(shape, one_name(name), kind, mapping)
                in_place = kind == "field" and str(mapping.get("dest") or name) == name
                if in_place and default is None and _type_of(values.values()) is not None:
                    remarks.note(plugin, _ONE_TYPE.format(name=name), "mapping", number)


def _map(shape: Shape, name: str, kind: str, mapping: Mapping[str, Any]) -> None:
    values, default, to = mapping["value_mappings"], mapping.get("default"), str(mapping.get("dest") or name)
    if not all(isinstance(value, str | int | float) for value in values.values()):
        raise NotCarriedOver("a value is no text, number or boolean")
    column = shape.column(name, kind)
    if column is None:
        return
    if to == name and column.takes_map:
        if "*" in values:
            raise NotCarriedOver("`*` is every other value to `map`")
        named = values if default is None else {**values, "*": default}
        shape.map(name, {key: _go_text(value) for key, value in named.items()}, kind)
        if kind == "field" and (made := _type_of(named.values())) is not None:
            shape.cast(name, made, kind)
    else:
        shape.compute(to, _case(column, values, default, as_text=kind == "tag"), kind)


def _type_of(values: Iterable[Any]) -> str | None:
    """The type of mapped values; None for strings."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "boolean"
    return {frozenset({int}): "long"}.get(frozenset(kinds), "double" if kinds <= {int, float} else None)


def _case(column: Column, values: Mapping[str, Any], default: Any, *, as_text: bool) -> Sql:
    def written(value: Any) -> str:
        return literal(_go_text(value) if as_text or mixed else value)

    results = [*values.values(), *([] if default is None else [default])]
    mixed = any(isinstance(value, str) for value in results)
    # Telegraf compares numbers as formatted, whole floats without a fraction.
    numeric = all(_NUMBER.fullmatch(key) for key in values)
    head = "TRY_CAST(" if numeric else "CAST("
    operand: Sql = (head, column, " AS DOUBLE)" if numeric else " AS VARCHAR)")
    branches = "".join(
        f" WHEN {key if numeric else literal(key)} THEN {written(value)}" for key, value in values.items()
    )
    case: Sql = ("CASE ", *operand, f"{branches}{'' if default is None else f' ELSE {written(default)}'} END")
    if not values:
        case = (written(default),)
    return case if default is None else ("CASE WHEN ", column, " IS NOT NULL THEN ", *case, " END")


def _go_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def date(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `date`: the time as string or number."""
    options = plugin.options
    tag, field = options.get("tag_key"), options.get("field_key")
    layout, zone = str(options.get("date_format") or ""), str(options.get("timezone") or "UTC")
    offset = _duration(options.get("date_offset") or 0)
    if offset is None:
        remarks.leave_out(plugin, "the length of time cannot be read", "date_offset")
        return
    if zone.lower() == "local":
        remarks.leave_out(plugin, "which zone that is depends on Telegraf's machine", "timezone")
        return
    name, kind = (str(tag), "tag") if tag else (str(field or ""), "field")
    if not name:
        remarks.leave_out(plugin, "names no column")
        return
    shifted = f"time + INTERVAL '{offset} seconds'" if offset else "time"
    if kind == "field" and layout in ("unix", *_UNITS):
        unit = _UNITS.get(layout)
        text = unit.replace("time", shifted) if unit else f"epoch_us({shifted}) // 1000000"
        shape.compute(name, (text,), kind)
        return
    written = strftime_format(layout, is_utc=zone == "UTC")
    if written is None:
        remarks.leave_out(plugin, f"strftime has no format for all of {layout!r}", "date_format")
        return
    # In an expression time has no zone and is in UTC.
    moment = shifted if zone == "UTC" else f"timezone({literal(zone)}, timezone('UTC', {shifted}))"
    shape.compute(name, (f"strftime({moment}, {literal(written)})",), kind)


def _duration(value: object) -> str | None:
    """A duration as seconds, in SQL."""
    text = str(value)
    if text in ("0", ""):
        return ""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.lstrip("+"):
        return None
    sign = -1 if text.startswith("-") else 1
    seconds = sign * sum(abs(float(number)) * _SECONDS[unit] for number, unit in parts)
    return f"{timedelta(seconds=seconds).total_seconds():.6f}".rstrip("0").rstrip(".") if seconds else ""


def scale(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `scale`: linear scaling of ranges."""
    for number, scaling in plugin.tables("scaling"):
        factor, shift_in, shift_out = _scaling(scaling)
        if factor is None:
            remarks.leave_out(plugin, "scales nothing", "scaling", number)
            continue
        for name in texts(scaling.get("fields")):
            with remarks.leaving_out(plugin, "scaling", number):
                column = shape.column(one_name(name), "field")
                if column is not None:
                    shifted: Sql = (f"{literal(factor)} * (", column, f" - {literal(shift_in)}) + {literal(shift_out)}")
                    shape.compute(name, shifted, "field")


def _scaling(scaling: Mapping[str, Any]) -> tuple[float | None, float, float]:
    ranges = ("input_minimum", "input_maximum", "output_minimum", "output_maximum")
    try:
        if all(name in scaling for name in ranges):
            low, high, to_low, to_high = (float(scaling[name]) for name in ranges)
            return (to_high - to_low) / (high - low), low, to_low
        if "factor" in scaling or "offset" in scaling:
            return float(scaling.get("factor", 1)), 0.0, float(scaling.get("offset", 0))
    except (TypeError, ValueError, ZeroDivisionError):
        pass
    return None, 0.0, 0.0


def round_(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `round`."""
    included, excluded = plugin.texts("include_fields"), plugin.texts("exclude_fields")
    precision = plugin.options.get("precision", 0)
    if not isinstance(precision, int) or not included or any(map(is_pattern, included)):
        why = "an expression names each column: list them under `computed`, such as `load: round(load_source, 2)`"
        remarks.leave_out(plugin, why)
        return
    for name in included:
        if name not in excluded and (column := shape.column(name, "field")) is not None:
            with remarks.leaving_out(plugin, "include_fields"):
                shape.compute(name, ("round(", column, f", {precision})"), "field")


def template(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `template`: a tag formatted from values of the point."""
    tag, text = str(plugin.options.get("tag") or ""), str(plugin.options.get("template") or "")
    if not tag or "{{" in tag:
        remarks.leave_out(plugin, "the tag's name depends on the point", "tag")
        return
    with remarks.leaving_out(plugin, "template"):
        shape.compute(tag, _filled(text, shape), "tag")


def _filled(text: str, shape: Shape) -> Sql:
    parts: list[str | Column] = ["concat("]
    at = 0
    for action in _ACTION.finditer(text):
        if before := text[at : action.start()]:
            parts.append(f"{literal(before)}, ")
        at = action.end()
        found = _TEMPLATE.fullmatch(action[1])
        if found is None:
            raise NotCarriedOver(f"{{{{{action[1]}}}}} is more than a tag, a field or the name")
        if found[1]:
            column = shape.column(found[2] or found[3], found[1].lower())
            parts += [column, ", "] if column is not None else []
        elif found[4]:
            if shape.is_pattern:
                raise NotCarriedOver(
                    f"the name of what {shape.name} stands for is known row by row: see metadata_columns"
                )
            parts.append(f"{literal(shape.name)}, ")
        else:
            parts.append(f"strftime(time, {literal(_TIMES[found[5]])}), ")
    parts.append(literal(text[at:]) + ")")
    return tuple(parts)
