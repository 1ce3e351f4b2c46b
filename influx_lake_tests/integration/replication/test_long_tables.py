"""Long tables as other engines read them, and as tails and seals fill them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from influx_lake.checks.freshness import newest_event
from influx_lake.checks.subject import Subject
from influx_lake.checks.suite import checks_of, evaluate
from influx_lake.config import CheckOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.orchestration.assets.overview_page import overview_page
from influx_lake.replication.overview import overview_of
from influx_lake_tests.integration.iceberg.engines.engine_cases import long_tables
from influx_lake_tests.integration.typed_lake import TypedLake, day, through_duckdb, through_polars


@pytest.mark.slow
def test_duckdb_and_polars_read_a_long_table(typed_lake: TypedLake) -> None:
    of, expected = long_tables(typed_lake)
    table = typed_lake.table(of)
    assert typed_lake.types(of) == {
        "time": "timestamptz",
        "measurement": "string",
        "tags": "map<string, string>",
        "metric_name": "string",
        "metric_value": "double",
        "value_string": "string",
    }
    for rows in (through_duckdb(table), through_polars(table)):
        found = [
            (row["measurement"], as_tags(row["tags"]), row["metric_name"], row["metric_value"], row["value_string"])
            for row in rows
        ]
        assert sorted(found, key=repr) == sorted(expected, key=repr)


def as_tags(value: object) -> dict[str, str]:
    """A map as an engine gives it."""
    if isinstance(value, dict):
        return dict(sorted(value.items()))
    assert isinstance(value, list)
    return {pair["key"]: pair["value"] for pair in value} if value and isinstance(value[0], dict) else dict(value)


@pytest.mark.slow
def test_checks_look_at_the_measurements_rows(typed_lake: TypedLake) -> None:
    of, _ = long_tables(typed_lake)
    of = replace(
        of,
        checks=CheckOptions.model_validate(
            {
                "gaps": {"by": ["metric_name"], "longer_than": "2d"},
                "values": [
                    {"column": "metric_value", "between": [-1, 1e16]},
                    {"condition": "metric_name <> 'cores' or tags['host'] = 'a'"},
                ],
                "outliers": {"columns": ["metric_value"]},
            }
        ),
    )
    mem = replace(of, key="mem", name="mem", share=Share("measurement", "mem"))
    for each, rows in ((of, 5), (mem, 1)):
        subject = Subject(each, typed_lake.catalog, lambda: typed_lake.source, day(1).end, [day(0)])
        found = {name: outcome for name, outcome, _ in evaluate(subject, checks_of(each))}
        assert {name: outcome.message for name, outcome in found.items() if not outcome.passed} == {}
        assert found["no_duplicate_points"].figures["rows"] == rows
    assert newest_event(subject.table, day(0), "time") == day(0).start


def test_the_overview_has_a_line_for_each_measurement(typed_lake: TypedLake) -> None:
    cpu, _ = long_tables(typed_lake)
    mem = replace(cpu, key="mem", name="mem", share=Share("measurement", "mem"))
    found = overview_of([cpu, mem], typed_lake.catalog, day(2).start, source=typed_lake.source)
    told = {each.measurement.name: (each.rows, each.missing, each.differs) for each in found.standings}
    assert told == {"cpu": (5, 0, False), "mem": (1, 0, False)}
    page = overview_page(found, "telemetry")
    assert "telemetry.all_metrics.cpu" in page.replace("\\", "")
    assert "telemetry/all_metrics/mem" in page
