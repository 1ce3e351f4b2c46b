"""What lake.yaml may say of checks and freshness."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from influx_lake.checks.suite import checks_of, is_blocking
from influx_lake.config import Lake, Severity


def test_switches_options_and_defaults(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of(
        """
defaults: {checks: {outliers: true, gaps: {severity: error}}, freshness: {fail: 2h}}
measurements:
  cpu: {checks: {gaps: {by: [host], longer_than: 20m}, schema_drift: false, source_equals_lake: {blocking: true}}}
  mem: {write: {mode: append}, checks: {freshness: false}}
"""
    )
    cpu, mem = lake.measurements
    assert checks_of(cpu) == ["source_equals_lake", "gaps", "freshness", "small_files", "outliers"]
    assert checks_of(mem) == [
        "source_equals_lake",
        "no_duplicate_points",
        "gaps",
        "schema_drift",
        "small_files",
        "outliers",
    ]
    assert (cpu.checks.gaps.by, cpu.checks.gaps.longer_than) == (("host",), timedelta(minutes=20))
    # A measurement's options are laid over the defaults.
    assert cpu.checks.gaps.counts_as is Severity.ERROR
    assert (is_blocking(cpu, "source_equals_lake"), is_blocking(mem, "source_equals_lake")) == (True, False)
    assert cpu.freshness is not None
    assert (cpu.freshness.warn, cpu.freshness.fail) == (None, timedelta(hours=2))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{checks: {gaps: maybe}}", "checks.gaps: 'maybe' is not true, false or options such as `severity: warn`"),
        ("{checks: {gap: true}}", "checks.gap: unknown option (did you mean gaps?)"),
        ("{checks: {gaps: {by: [host]}}}", "checks.gaps.by: needs longer_than"),
        ("{checks: {outliers: {windows: 3}}}", "checks.outliers.windows: '3' is less than 5"),
        ("{checks: {freshness: true}}", "checks.freshness: needs `freshness: {fail: 2h}`"),
        ("{checks: {values: [{column: a}]}}", "checks.values[0]: a rule for a column has one of"),
        ("{checks: {values: [{not_null: true}]}}", "checks.values[0]: a rule has a column, or a condition"),
        ("{checks: {values: [{column: a, between: [5, 1]}]}}", "between: its first number must be the smaller one"),
        ("{checks: {values: [{column: a, between: [null, null]}]}}", "between: one of its ends must be a number"),
        ("{checks: {values: [{column: a, between: [x, 1]}]}}", "between: its ends must be numbers"),
        ("{checks: {values: [{column: a, accepted_values: []}]}}", "accepted_values"),
        (
            "{checks: {values: [{condition: 'used <='}]}}",
            "is not a SQL condition, such as `used <= total` (DuckDB: syntax error at end of input)",
        ),
        ("{checks: {values: [{condition: '1) FROM x WHERE (2'}]}}", "is not a SQL condition"),
        ("{checks: {values: [{condition: 'true; DROP TABLE x'}]}}", "holds a semicolon"),
        ("{checks: {values: [{condition: 'used <= total AS ok'}]}}", "gives itself the name 'ok'"),
        ("{checks: {values: [{condition: 'used, total'}]}}", "more than one expression"),
        ("{checks: {values: [{condition: 'used <= total -- x'}]}}", "holds a comment"),
        ("{checks: {values: [{condition: 'unnest([1, 2, 3]) < used'}]}}", "makes several rows of one (unnest)"),
        ("{checks: {values: [{condition: 'generate_subscripts(a, 1) > 1'}]}}", "makes several rows of one"),
        ("{checks: {values: [{condition: 'sum(used) > 1'}]}}", "counts rows together (sum)"),
        ("{checks: {values: [{condition: 'geomean(used) > 1'}]}}", "counts rows together (geomean)"),
        ("{checks: {values: [{condition: 'used > lag(used) OVER ()'}]}}", "holds a window function"),
        ("{checks: {values: [{condition: 'used IN (SELECT 1)'}]}}", "holds a query of its own"),
        ("{checks: {values: [{condition: 'used FROM x'}]}}", "is a part of a query"),
        ("{checks: {values: [{condition: 'used > ?'}]}}", "holds a parameter"),
        ("{checks: {values: [{condition: 'used > #1'}]}}", "holds the number of a column"),
        ("{checks: {values: [{condition: '1 = 1'}]}}", "names no column"),
        ("{checks: {values: [{column: a, not_null: true}, {column: a, not_null: true}]}}", "has two rules called"),
        ("{freshness: {warn: 30m}}", "freshness.fail: is missing"),
        ("{freshness: {warn: 3h, fail: 2h}}", "freshness.warn: must be longer than 0 and shorter than fail"),
        ("{freshness: {fail: 5s}}", "freshness.fail: is less than a minute"),
    ],
)
def test_invalid_values_are_refused_with_their_place(
    entry: str, said: str, mistakes_of: Callable[..., list[str]]
) -> None:
    [mistake] = mistakes_of(f"measurements:\n  cpu: {entry}\n")
    assert said in mistake
    assert mistake.startswith("lake.yaml:3: measurements.cpu.")


def test_several_mistakes_of_one_rule_list_are_all_found(mistakes_of: Callable[..., list[str]]) -> None:
    found = mistakes_of(
        """
measurements:
  cpu:
    checks:
      values:
        - {column: usage, between: [0, 100]}
        - {column: usage, between: [3, 1]}
        - {column: host, severity: wran, not_null: true}
        - {condition: "used <= "}
"""
    )
    assert ["[1]" in found[0], "[2].severity" in found[1], "[3].condition" in found[2]] == [True] * 3
    assert len(found) == 3
