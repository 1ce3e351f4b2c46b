"""Converts processors that change strings: strings, regex."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from influx_lake.cli.telegraf.document import Plugin
from influx_lake.cli.telegraf.filters import one_name
from influx_lake.cli.telegraf.remarks import NotCarriedOver, Remarks
from influx_lake.cli.telegraf.shape import Column, Shape, Sql
from influx_lake.cli.telegraf.sql import literal

_SPACE = r"[\s\v\x{85}\p{Z}]"
_GROUP = re.compile(r"\$\{(\w+)\}|\$(\w+)|\$\$")
_NAMED = re.compile(r"(?<!\\)\((?!\?)|(?<!\\)\(\?P?<(\w+)>")

Change = tuple[Callable[[str], str], Callable[[Column], Sql]]
"""The change of a name, and of a column's value in SQL."""


def _call(function: str, *arguments: str) -> Callable[[Column], Sql]:
    return lambda column: (f"{function}(", column, "".join(f", {literal(each)}" for each in arguments) + ")")


def _trim(function: str, strip: Callable[..., str], pattern: str) -> Callable[[Mapping[str, Any]], Change]:
    def change(options: Mapping[str, Any]) -> Change:
        if cutset := str(options.get("cutset") or ""):
            return lambda text: strip(text, cutset), _call(function, cutset)
        return strip, _call("regexp_replace", pattern, "", "g")

    return change


def _trim_prefix(options: Mapping[str, Any]) -> Change:
    prefix = str(options.get("prefix") or "")
    return lambda text: text.removeprefix(prefix), lambda column: (
        "CASE WHEN starts_with(",
        column,
        f", {literal(prefix)}) THEN substr(",
        column,
        f", {len(prefix) + 1}) ELSE ",
        column,
        " END",
    )


def _trim_suffix(options: Mapping[str, Any]) -> Change:
    suffix = str(options.get("suffix") or "")
    return lambda text: text.removesuffix(suffix), lambda column: (
        "CASE WHEN ends_with(",
        column,
        f", {literal(suffix)}) THEN substr(",
        column,
        ", 1, length(",
        column,
        f") - {len(suffix)}) ELSE ",
        column,
        " END",
    )


def _replace(options: Mapping[str, Any]) -> Change:
    old, new = str(options.get("old") or ""), str(options.get("new") or "")
    if not old:
        raise NotCarriedOver("replaces nothing")
    return lambda text: text.replace(old, new) or text, lambda column: (
        "coalesce(nullif(replace(",
        column,
        f", {literal(old)}, {literal(new)}), ''), ",
        column,
        ")",
    )


def _left(options: Mapping[str, Any]) -> Change:
    width = options.get("width")
    if not isinstance(width, int) or width < 0:
        raise NotCarriedOver("has no width")
    return lambda text: text[:width], lambda column: ("left(", column, f", {width})")


_CHANGES: dict[str, Callable[[Mapping[str, Any]], Change]] = {
    "lowercase": lambda _: (str.lower, _call("lower")),
    "uppercase": lambda _: (str.upper, _call("upper")),
    "trim": _trim("trim", str.strip, f"^{_SPACE}+|{_SPACE}+$"),
    "trim_left": _trim("ltrim", str.lstrip, f"^{_SPACE}+"),
    "trim_right": _trim("rtrim", str.rstrip, f"{_SPACE}+$"),
    "trim_prefix": _trim_prefix,
    "trim_suffix": _trim_suffix,
    "replace": _replace,
    "left": _left,
}
"""The known operations, in the processor's order."""

STRINGS = (*_CHANGES, "titlecase", "base64decode", "valid_utf8")


def strings(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `strings`: case, trimming, replacement."""
    for name, make in _CHANGES.items():
        for number, options in plugin.tables(name):
            with remarks.leaving_out(plugin, name, number):
                _apply(make(options), options, shape)
            if name == "left":
                remarks.note(plugin, "Telegraf counts bytes, and the table characters", name, number)
    for name in STRINGS:
        if name not in _CHANGES and name in plugin.options:
            remarks.leave_out(plugin, "there is no function of SQL that does the same", name)


def _apply(change: Change, options: Mapping[str, Any], shape: Shape) -> None:
    of_name, of_value = change
    if "*" in (options.get(key) for key in ("field", "tag", "field_key", "tag_key")):
        raise NotCarriedOver("changes all columns: options name each of them")
    for kind in ("field", "tag"):
        if name := str(options.get(kind) or ""):
            to = str(options.get("dest") or name)
            if (column := shape.column(name, kind)) is not None:
                shape.compute(to, of_value(column), kind)
        if name := str(options.get(f"{kind}_key") or ""):
            shape.rename(name, of_name(name) or name, kind)
    if options.get("measurement") in ("*", shape.name) and (to := of_name(shape.name)) != shape.name:
        shape.rename_measurement(to)


def regex(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `regex`: DuckDB and Go both use RE2."""
    for part, kind in (("tags", "tag"), ("fields", "field")):
        for number, options in plugin.tables(part):
            with remarks.leaving_out(plugin, part, number):
                _replace_by(options, shape, kind)
    for part in ("tag_rename", "field_rename"):
        for number, _ in plugin.tables(part):
            why = "`rename` names each column: which ones does the expression find?"
            remarks.leave_out(plugin, why, part, number)
    for number, options in plugin.tables("metric_rename"):
        with remarks.leaving_out(plugin, "metric_rename", number):
            _rename_by(options, shape)


def _replace_by(options: Mapping[str, Any], shape: Shape, kind: str) -> None:
    name, pattern = one_name(str(options.get("key") or "")), str(options.get("pattern") or "")
    if options.get("append"):
        raise NotCarriedOver("append adds to a text that another expression makes")
    column = shape.column(name, kind)
    if column is None:
        return
    to = str(options.get("result_key") or name)
    replacement = _groups(str(options.get("replacement") or ""), pattern)
    arguments = f", {literal(pattern)}, {literal(replacement)}, 'g')"
    # Without a match the target is unchanged: the column itself, or null.
    otherwise: Sql = (" ELSE ", column) if to == name else ()
    found: Sql = ("CASE WHEN regexp_matches(", column, f", {literal(pattern)}) THEN ")
    shape.compute(to, (*found, "regexp_replace(", column, arguments, *otherwise, " END"), kind)


def _groups(replacement: str, pattern: str) -> str:
    """A replacement with Go's groups (`${1}`, `${name}`) as backslash and digit."""
    names = [found[1] for found in _NAMED.finditer(pattern)]

    def group(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        if not name.isdigit() and name not in names:
            # An unknown group is empty in Go.
            return ""
        number = int(name) if name.isdigit() else names.index(name) + 1
        if number > 9:
            raise NotCarriedOver("SQL's replacements know nine groups")
        return f"\\{number}"

    return _GROUP.sub(group, replacement.replace("\\", "\\\\"))


def _rename_by(options: Mapping[str, Any], shape: Shape) -> None:
    pattern = str(options.get("pattern") or "")
    if shape.is_pattern:
        raise NotCarriedOver(f"the tables of all that {shape.name} stands for cannot be named by a rule")
    try:
        replacement = _groups(str(options.get("replacement") or ""), pattern)
        to = re.sub(pattern, replacement.replace("\\0", "\\g<0>"), shape.name, flags=re.ASCII)
    except re.error:
        raise NotCarriedOver("the expression is one of Go's own") from None
    if to != shape.name:
        shape.rename_measurement(to)
