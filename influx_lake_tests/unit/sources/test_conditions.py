"""Conditions are rewritten without a change of what they mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given

from influx_lake.config.values.conditions import All, AnyOf, Condition, IsNull, Not
from influx_lake.sources.conditions import joined, without_not
from testbed.selections import FIELDS, Asked, points, selections, truth

ROWS = [point.row for point in points(0, 1, FIELDS, count=60)]


def parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    match condition:
        case Not():
            yield from parts(condition.part)
        case All() | AnyOf():
            for part in condition.parts:
                yield from parts(part)


@given(selections(FIELDS))
def test_only_missing_values_are_negated(asked: Asked) -> None:
    if asked.where is None:
        return
    found = without_not(asked.where)
    assert all(isinstance(each.part, IsNull) for each in parts(found) if isinstance(each, Not))
    for row in ROWS:
        assert (truth(found, row) is True) is (truth(asked.where, row) is True)


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 1000])
def test_many_parts_are_nested_no_deeper_than_servers_take(count: int) -> None:
    said = joined(" OR ", [f"c{number}" for number in range(count)])
    assert [each.strip("()") for each in said.split(" OR ") if said] == [f"c{number}" for number in range(count)]
    depth = deepest = 0
    for char in said:
        depth += {"(": 1, ")": -1}.get(char, 0)
        deepest = max(deepest, depth)
    assert depth == 0
    assert deepest <= 8
    assert max((part.count(" OR ") for part in said.replace(")", "(").split("(")), default=0) <= 15
