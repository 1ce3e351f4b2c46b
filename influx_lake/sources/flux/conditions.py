"""Converts conditions on tags to Flux, where the meaning is the same as in `config.values.conditions`.

A record of Flux is a value of one field, so it does not show the other fields of a point. The storage engine treats a
missing tag as an empty string, so `!=` is true for it. Conditions that the storage engine does not evaluate, such as
the order of strings, would change the order of the tables. Observed with InfluxDB 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.sources.conditions import joined_if_all, without_not
from influx_lake.sources.flux.scripts import literal


def expression(condition: Condition, tags: Mapping[str, str]) -> str | None:
    """A condition on a record `r`; None where it cannot be expressed exactly.

    Args:
        condition: The condition.
        tags: The tags, by their columns.
    """
    return _expression(without_not(condition), tags)


def _expression(condition: Condition, tags: Mapping[str, str]) -> str | None:
    match condition:
        case All():
            return joined_if_all(" and ", [_expression(part, tags) for part in condition.parts])
        case AnyOf():
            return joined_if_all(" or ", [_expression(part, tags) for part in condition.parts])
        case Compared(column) | IsNull(column) | Not(IsNull(column)) if column in tags:
            return _of_tag(f"r[{literal(tags[column])}]", condition)
    return None


def _of_tag(tag: str, condition: Condition) -> str | None:
    match condition:
        case Compared(_, Operator.EQUAL, str(value)) if value:
            return f"{tag} == {literal(value)}"
        case Compared(_, Operator.NOT_EQUAL, str(value)) if value:
            return f"(exists {tag} and {tag} != {literal(value)})"
        case IsNull():
            return f"not exists {tag}"
        case Not():
            return f"exists {tag}"
    return None
