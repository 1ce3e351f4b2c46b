"""Rows that break a rule are counted and shown, whether a column or DuckDB judges them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.checks.conditions import failing_conditions
from influx_lake.checks.outcome import listed
from influx_lake.checks.rule_tally import RuleTally
from influx_lake.checks.value_rules import values
from influx_lake.config import Severity, ValueRule
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.checks.subjects import subject
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import day, load

ROWS = pa.record_batch({"a": [1, 2, None, 40], "b": [1, 1, 1, 1]})


def judged(condition: str) -> RuleTally:
    tally = RuleTally(ValueRule(condition=condition))
    reader = pa.RecordBatchReader.from_batches(ROWS.schema, [ROWS])
    assert [batch.num_rows for batch in failing_conditions(reader, [tally], ["a"])] == [4]
    return tally


def test_a_condition_that_is_null_is_kept() -> None:
    tally = judged("a <= b")
    assert tally.rows == 2
    assert [example["a"] for example in tally.examples] == [2, 40]


@pytest.mark.parametrize("condition", ["a + 1", "no_such_column", "a > 'b'", "no_such_function(a)"])
def test_a_condition_that_cannot_be_judged_is_named(condition: str) -> None:
    with pytest.raises(ConfigurationError, match=r"checks\.values: the condition .* cannot be evaluated"):
        judged(condition)


def test_few_examples_are_kept_of_many_rows() -> None:
    tally = RuleTally(ValueRule(column="a", not_null=True))
    for _ in range(5):
        tally.add(ROWS, pa.array([False, True, True, False]), ["a", "not there"])
    assert tally.rows == 10
    assert [example["a"] for example in tally.examples] == [2, None, 2]


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ({"column": "value", "between": [0, 5]}, 4),
        ({"column": "value", "between": [None, 10]}, 0),
        ({"column": "host", "accepted_values": ["b"]}, 6),
        ({"column": "host", "not_null": True}, 0),
        ({"column": "comes later", "not_null": True}, 10),
        ({"column": "comes later", "between": [0, 1]}, 0),
        ({"condition": "value < 10 or host = 'a'"}, 4),
    ],
)
def test_each_kind_of_rule(catalog: Catalog, rule: dict[str, object], rows: int) -> None:
    source = FakeSource()
    source.put(day(0), 6, "a", 1.0)
    source.put(day(0), 4, "b", 10.0)
    load(source, catalog, day(0))

    found = values(subject(catalog, source, values=[rule | {"severity": "warn"}]))

    assert found.passed == (not rows)
    assert found.figures["rows"] == 10
    assert found.figures[f"failing: {ValueRule.model_validate(rule).title}"] == rows
    assert found.severity == (Severity.WARN if rows else None)


def test_the_first_of_many_are_listed() -> None:
    assert listed("abc") == "a, b, c"
    assert listed(range(2000)) == "0, 1, 2 and 1,997 more"
