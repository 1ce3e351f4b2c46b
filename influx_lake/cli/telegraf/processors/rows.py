"""Converts processors that drop points: filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from influx_lake.cli.telegraf.document import Plugin, texts
from influx_lake.cli.telegraf.filters import matches, patterns
from influx_lake.cli.telegraf.remarks import NotCarriedOver, Remarks
from influx_lake.cli.telegraf.shape import Shape, Sql
from influx_lake.cli.telegraf.sql import literal
from influx_lake.config.values.patterns import is_pattern


def filter_(plugin: Plugin, shape: Shape, remarks: Remarks) -> None:
    """Convert `filter`: the first matching rule decides whether a point passes."""
    with remarks.leaving_out(plugin, "rule"):
        _filter(plugin, shape)


def _filter(plugin: Plugin, shape: Shape) -> None:
    passes_else = plugin.options.get("default", "pass") == "pass"
    rules: list[tuple[Sql, bool]] = []
    for _, rule in plugin.tables("rule"):
        names = texts(rule.get("name"))
        if names and not matches(shape.name, patterns(names)):
            continue
        if rule.get("fields"):
            raise NotCarriedOver("whether a point has a field is written so: where: field IS NOT NULL")
        passes = rule.get("action", "drop") == "pass"
        tags = rule.get("tags")
        if not tags:
            passes_else = passes
            break
        rules.append((_all_of(tags, shape), passes))
    # Trailing rules with the default's result have no effect.
    while rules and rules[-1][1] == passes_else:
        rules.pop()
    if not rules:
        shape.dropped |= not passes_else
        return
    if all(passes != passes_else for _, passes in rules):
        shape.keep_where(_any_of([condition for condition, _ in rules], negated=passes_else))
        return
    cases: list[Any] = ["CASE"]
    for condition, passes in rules:
        cases += [" WHEN ", *condition, f" THEN {str(passes).lower()}"]
    shape.keep_where((*cases, f" ELSE {str(passes_else).lower()} END"))


def _all_of(tags: Mapping[str, Any], shape: Shape) -> Sql:
    """The condition that a row has all of some tags, each with one of its values; never null."""
    written: list[Any] = []
    for name, values in tags.items():
        column = shape.column(name, "tag")
        if column is None:
            return ("false",)
        names = [value for value in patterns(texts(values)) if not is_pattern(value)]
        globs = [value for value in patterns(texts(values)) if is_pattern(value)]
        either: list[Any] = []
        if len(names) == 1:
            either += [" OR ", column, f" = {literal(names[0])}"]
        elif names:
            either += [" OR ", column, f" IN ({', '.join(map(literal, names))})"]
        for glob in globs:
            either += [" OR ", column, " IS NOT NULL" if glob == "*" else f" GLOB {literal(glob)}"]
        single = len(names[:1]) + len(globs) == 1
        known: list[Any] = [] if globs == ["*"] and not names else [column, " IS NOT NULL AND "]
        written += [" AND ", *known, *([*either[1:]] if single else ["(", *either[1:], ")"])]
    return tuple(written[1:])


def _any_of(conditions: list[Sql], *, negated: bool) -> Sql:
    joined: list[Any] = []
    for condition in conditions:
        joined += [" OR ", *(condition if len(conditions) == 1 else ("(", *condition, ")"))]
    return ("NOT (", *joined[1:], ")") if negated else tuple(joined[1:])
