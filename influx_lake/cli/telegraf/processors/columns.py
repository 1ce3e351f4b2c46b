"""Converts processors that rename, cast and add columns: rename, converter, override, defaults."""

from __future__ import annotations

from influx_lake.cli.telegraf.document import Plugin, texts
from influx_lake.cli.telegraf.filters import one_name
from influx_lake.cli.telegraf.remarks import NotCarriedOver, Remarks
from influx_lake.cli.telegraf.shape import Shape
from influx_lake.cli.telegraf.sql import literal
from influx_lake.config.values.source_schema import TIME

_TYPES = {
    "integer": "long",
    "unsigned": "decimal(20, 0)",
    "float": "double",
    "boolean": "boolean",
    "string": "string",
    "tag": "string",
}
_ROUNDS = "Telegraf rounds fractions and cuts off what is too large; here such a value is {done}"
_STOPS = "not cast and stops the run, as does a text that is no number (on_cast_error)"
_EMPTY = "left out, as one that cannot be converted is there"


def rename(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `rename`: names of measurements, tags and fields."""
    for number, replace in plugin.tables("replace"):
        to = str(replace.get("dest") or "")
        with remarks.leaving_out(plugin, "replace", number):
            if not to:
                continue
            if measurement := replace.get("measurement"):
                if shape.name == measurement:
                    shape.rename_measurement(to)
            elif TIME in (replace.get("tag"), replace.get("field")):
                raise NotCarriedOver(
                    "InfluxDB keeps no tag or field called time, and the name is that of the time here"
                )
            elif tag := replace.get("tag"):
                shape.rename(str(tag), to, "tag")
            elif field := replace.get("field"):
                shape.rename(str(field), to, "field")


def converter(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `converter`: types of tags and fields."""
    for part, kind in (("tags", "tag"), ("fields", "field")):
        table = plugin.options.get(part)
        for target, listed in (table if isinstance(table, dict) else {}).items():
            if target == "timestamp_format" or not listed:
                continue
            if (type_name := _TYPES.get(target)) is None:
                remarks.leave_out(plugin, _why_not(target, part), part, target)
                continue
            for name in texts(listed):
                # A tag is a string column already.
                if not (kind == "tag" and target == "string"):
                    with remarks.leaving_out(plugin, part, target):
                        shape.cast(one_name(name), type_name, kind)
                    if target == "tag":
                        remarks.note(
                            plugin, "an empty text is no tag in Telegraf, and stays an empty text here", part, target
                        )
                    if target in ("integer", "unsigned"):
                        done = _EMPTY if kind == "tag" else _STOPS
                        remarks.note(plugin, _ROUNDS.format(done=done), part, target)


def _why_not(target: str, part: str) -> str:
    if target == "measurement":
        return f"the rows of a table are all of one measurement: one that depends on {part} has no table"
    if target == "timestamp":
        return "the time of a row is that of its point"
    if target == "base64_ieee_float32":
        return "there is no cast of base64 to a float"
    return "is no type that is known"


def override(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `override`: measurement names, and constant tags."""
    options = plugin.options
    name = str(options.get("name_override") or shape.name)
    name = f"{options.get('name_prefix') or ''}{name}{options.get('name_suffix') or ''}"
    with remarks.leaving_out(plugin):
        if name != shape.name:
            shape.rename_measurement(name)
    tags = options.get("tags")
    for tag, value in (tags if isinstance(tags, dict) else {}).items():
        shape.constant(str(tag), str(value), "tag")


def defaults(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `defaults`: values in place of null."""
    for part, kind in (("fields", "field"), ("tags", "tag")):
        table = plugin.options.get(part)
        for name, value in (table if isinstance(table, dict) else {}).items():
            with remarks.leaving_out(plugin, part, name):
                _fill(shape, name, value, kind)


def _fill(shape: Shape, name: str, value: object, kind: str) -> None:
    column = shape.column(name, kind)
    if not isinstance(value, str | int | float):
        raise NotCarriedOver("the value is no text, number or boolean")
    if column is None and kind == "tag":
        shape.constant(name, str(value), kind)
    elif column is None:
        shape.compute(name, (literal(value),), kind)
    elif isinstance(value, str):
        shape.compute(name, ("coalesce(nullif(trim(", column, f"), ''), {literal(value)})"), kind)
    else:
        shape.compute(name, ("coalesce(", column, f", {literal(value)})"), kind)
