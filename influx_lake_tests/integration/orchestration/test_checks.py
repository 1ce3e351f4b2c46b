"""Checks of measurements, in runs of a lake's own definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.checked_lake import CPU, CheckedLake, day

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CheckedLake]:
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        yield CheckedLake(tmp_path, box, instance)


def figures(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in evaluation.metadata.items()}


def test_what_is_cheap_is_checked_by_default(lake: CheckedLake) -> None:
    lake.write("cpu,host=a usage=1 0", "cpu,host=b usage=2 1")
    found = lake.evaluations(lake.load())
    assert found.keys() == {"source_equals_lake", "gaps", "schema_drift", "small_files"}
    assert all(each.passed for each in found.values())
    counted = figures(found["source_equals_lake"])
    assert (counted["source_rows"], counted["lake_rows"], counted["windows"]) == (2, 2, 1)
    message = str(found["source_equals_lake"].description)
    assert f"measurement cpu, window {day(0)}" in message


def test_all_checks_of_an_asset_are_done_by_the_step_that_loads_it(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {freshness: {fail: 2h}, checks: {outliers: true, no_duplicate_points: true}}}"
    graph = lake.definitions.resolve_asset_graph()
    assert len(graph.asset_check_keys) == 7
    assert graph.get(CPU).assets_def.check_keys == graph.asset_check_keys


def test_checks_that_are_switched_off_are_not_there(lake: CheckedLake) -> None:
    lake.measurements = (
        "{cpu: {checks: {source_equals_lake: false, gaps: false, schema_drift: false, small_files: false}}}"
    )
    assert not lake.definitions.resolve_asset_graph().asset_check_keys


@pytest.mark.slow
def test_a_source_that_changed_is_not_equal(lake: CheckedLake) -> None:
    lake.write("cpu,host=a usage=1 0", "cpu,host=a usage=1 30")
    lake.load("2026-01-01", "2026-01-02")
    lake.write("cpu,host=late usage=3 5")
    found = lake.check("source_equals_lake")
    assert (found.passed, found.severity) == (False, ERROR)
    assert figures(found)["missing_rows"] == 1
    assert f"{day(0)} (source 2, lake 1)" in str(found.description)
    assert str(day(1)) not in str(found.description).partition(":")[2]


@pytest.mark.slow
def test_a_blocking_check_keeps_what_is_downstream_from_running(lake: CheckedLake) -> None:
    ran: list[str] = []

    @dg.asset(deps=[CPU])
    def downstream() -> None:
        ran.append("downstream")

    lake.write("cpu,host=a usage=1 0")
    lake.measurements = "{cpu: {write: {mode: append}}}"
    lake.load_alone()
    lake.append_to_table(0, host="a", usage=1.0)
    # An append of a window that is there changes nothing, and leaves the row that somebody else wrote.
    lake.measurements = "{cpu: {write: {mode: append}, checks: {no_duplicate_points: {blocking: true}}}}"
    job = dg.define_asset_job("both", selection=dg.AssetSelection.assets(CPU, "downstream"))

    def both() -> dg.ExecuteInProcessResult:
        merged = dg.Definitions.merge(lake.definitions, dg.Definitions(assets=[downstream], jobs=[job]))
        return merged.resolve_job_def("both").execute_in_process(
            instance=lake.instance, partition_key="2026-01-01", raise_on_error=False
        )

    assert not both().success
    assert not ran
    lake.measurements = "{cpu: {write: {mode: append}, checks: {no_duplicate_points: {severity: error}}}}"
    assert both().success
    assert ran == ["downstream"]


@pytest.mark.slow
def test_points_that_are_there_twice(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {checks: {no_duplicate_points: true}}}"
    lake.write("cpu,host=a usage=1 0", "cpu,host=b usage=1 0", "cpu,host=a usage=1 1")
    first = lake.evaluations(lake.load())["no_duplicate_points"]
    assert (first.passed, figures(first)["rows"]) == (True, 3)
    lake.append_to_table(0, host="a", usage=9.0)
    lake.append_to_table(0, host="a", usage=8.0)
    found = lake.check("no_duplicate_points")
    assert (found.passed, found.severity) == (False, ERROR)
    assert (figures(found)["duplicate_rows"], figures(found)["duplicate_points"]) == (2, 1)
    assert "| a |" in figures(found)["examples"]


def test_points_apart_by_nanoseconds_are_two(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {checks: {no_duplicate_points: true}}}"
    lake.write("cpu,host=a usage=1 0", f"cpu,host=a usage=1 {1e-9 / 3600 * 7:.18f}")
    found = lake.evaluations(lake.load())["no_duplicate_points"]
    assert (found.passed, figures(found)["rows"]) == (True, 2)


@pytest.mark.slow
def test_windows_that_are_missing_in_between(lake: CheckedLake) -> None:
    lake.write("cpu,host=a usage=1 0", "cpu,host=a usage=1 100")
    lake.load("2026-01-01")
    found = lake.evaluations(lake.load("2026-01-05"))["gaps"]
    assert (found.passed, found.severity) == (False, WARN)
    assert figures(found)["missing_windows"] == 3
    assert str(day(1)) in str(found.description)
    lake.load("2026-01-02", "2026-01-04")
    assert lake.check("gaps").passed


@pytest.mark.slow
def test_a_window_that_a_run_is_loading_is_not_missing(lake: CheckedLake) -> None:
    """The runs of a backfill end in any order: until the last of them has, there are gaps between them."""
    lake.write("cpu,host=a usage=1 0", "cpu,host=a usage=1 100")
    lake.load("2026-01-01")
    ends = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-03"}
    status = dg.DagsterRunStatus.STARTED
    other = lake.instance.create_run_for_job(
        lake.definitions.resolve_implicit_global_asset_job_def(), status=status, tags=ends, asset_selection={CPU}
    )
    lake.load("2026-01-04")

    found = lake.check("gaps")

    assert found.passed
    assert f"but 2 windows that a run is loading: {day(1)}, {day(2)}" in str(found.description)
    assert (figures(found)["missing_windows"], figures(found)["windows_on_their_way"]) == (0, 2)
    lake.instance.report_run_failed(other)
    assert figures(lake.check("gaps"))["missing_windows"] == 2


def test_a_host_that_was_silent_is_named(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {checks: {gaps: {by: [host], longer_than: 20m, severity: error}}}}"
    every = [f"cpu,host={host} usage=1 {minute / 60}" for host in "ab" for minute in range(0, 48 * 60, 10)]
    lake.write(*(line for line in every if not line.startswith("cpu,host=a") or not 23 < float(line.split()[-1]) < 25))
    found = lake.evaluations(lake.load("2026-01-01", "2026-01-02"))["gaps"]
    assert (found.passed, found.severity) == (False, ERROR)
    said = str(found.description)
    assert "no points from host=a for 120 min from 2026-01-01T23:00:00Z" in said
    assert "host=b" not in said
    assert "| host=a | 2026-01-01T23:00:00Z |" in figures(found)["silent"]
    assert figures(found)["longest_silence_minutes"] == 120


@pytest.mark.slow
def test_columns_that_came_and_went(lake: CheckedLake) -> None:
    lake.write("cpu,host=a usage=1,old=2 0")
    lake.load()
    lake.write("cpu,host=a usage=1,new=3 1")
    found = lake.check("schema_drift")
    assert (found.passed, found.severity) == (False, WARN)
    assert "new (source: double, table: missing)" in str(found.description)
    assert figures(found)["missing"] == 1
    lake.load()
    assert lake.check("schema_drift").passed


RULES = """{cpu: {checks: {values: [
  {column: usage, between: [0, 100]},
  {column: host, accepted_values: [a, b], severity: warn},
  {column: usage, not_null: true, name: usage is measured},
  {column: never_seen, between: [0, 1]},
  {condition: "usage <= total", name: used below total, severity: warn},
]}}}
"""


def test_rules_for_values(lake: CheckedLake) -> None:
    lake.measurements = RULES
    lake.write("cpu,host=a usage=1,total=5 0", "cpu,host=b total=7 1", "cpu,host=a usage=101,total=102 2")
    lake.write("cpu,host=c usage=9,total=8 3", "cpu,host=a usage=100,total=100 4")
    found = lake.evaluations(lake.load())["values"]
    assert (found.passed, found.severity) == (False, ERROR)
    counted = figures(found)
    assert {name: count for name, count in counted.items() if name.startswith("failing")} == {
        "failing: usage in 0..100": 1,
        "failing: host is an accepted value": 1,
        "failing: usage is measured": 1,
        "failing: never_seen in 0..1": 0,
        "failing: used below total": 1,
    }
    assert (counted["rows"], counted["broken_rules"]) == (5, 4)
    assert "| used below total | 2026-01-01 03:00:00+00:00 | c |" in counted["examples"]


def test_only_warnings_are_a_warning(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {checks: {values: [{column: usage, between: [null, 1], severity: warn}]}}}"
    lake.write("cpu,host=a usage=2 0")
    found = lake.evaluations(lake.load())["values"]
    assert (found.passed, found.severity) == (False, WARN)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("no_such_column > 1", "no_such_column"),
        ("usage + 1", "its type is DOUBLE, and not BOOLEAN"),
        ("read_text('/etc/passwd') = 'x' OR usage > 1", "read_text"),
    ],
)
def test_a_condition_that_cannot_be_judged_fails_the_run_and_reaches_nothing(
    lake: CheckedLake, condition: str, said: str
) -> None:
    lake.measurements = '{cpu: {checks: {values: [{condition: "' + condition + '"}]}}}'
    lake.write("cpu,host=a usage=2 0")
    result = lake.load()
    assert not result.success
    [failed] = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told is not None
    assert said in str(told.description)
    assert "measurement cpu" in str(told.description)
    # The others were done all the same.
    assert lake.evaluations(result)["source_equals_lake"].passed


@pytest.mark.slow
def test_a_window_unlike_those_before(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {checks: {outliers: {columns: [usage], windows: 5}}}}"
    for number in range(8):
        rows = 3 if number == 6 else 24 + number % 2
        usage = 900 if number == 7 else number
        lake.write(*(f"cpu,host=a usage={usage} {number * 24 + step / 2}" for step in range(rows)))
    early = lake.evaluations(lake.load("2026-01-01", "2026-01-06"))["outliers"]
    assert early.passed
    found = lake.evaluations(lake.load("2026-01-07", "2026-01-08"))["outliers"]
    assert (found.passed, found.severity) == (False, WARN)
    said = str(found.description)
    assert f"{day(6)}: rows 3, usually 25" in said
    assert f"{day(7)}: mean of usage 900, usually 4" in said
    assert figures(found)["mean: usage"] == 900


def test_a_measurement_that_is_late_or_silent_is_not_fresh(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {freshness: {warn: 30m, fail: 2h}}}"
    lake.write("cpu,host=a usage=1 1")
    found = lake.evaluations(lake.load())["freshness"]
    assert (found.passed, found.severity) == (False, ERROR)
    assert "loaded until 2026-01-02T00:00:00Z; the next window is late by" in str(found.description)
    assert figures(found)["silent_seconds"] == 23 * 3600
    [spec] = [each for each in lake.definitions.resolve_all_asset_specs() if each.key == CPU]
    assert spec.freshness_policy is not None


def test_a_source_that_is_away_is_asked_again_and_named(lake: CheckedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    from influx_lake.orchestration.execution import measurement_step

    monkeypatch.setattr(measurement_step, "CHECKED_AGAIN", dg.RetryPolicy(max_retries=1))
    lake.write("cpu,host=a usage=1 0")
    lake.load_alone()
    lake.url = "http://127.0.0.1:1"
    selection = dg.AssetSelection.checks(dg.AssetCheckKey(CPU, "source_equals_lake"))
    result = lake._run(selection)
    assert not result.success
    assert [event for event in result.all_events if event.is_step_restarted]


@pytest.mark.slow
def test_rows_in_quarantine_turn_the_check_yellow(lake: CheckedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.measurements = "{cpu: {on_type_conflict: quarantine}}"
    lake.write("cpu,host=a value=1 0")
    assert lake.evaluations(lake.load())["nothing_in_quarantine"].passed
    with Sandbox() as box:
        lake.box = box
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        lake.write('cpu,host=a value="one",other=2i 0', "cpu,host=b other=3i 1")
        result = lake.load()
    found = lake.evaluations(result)
    assert result.success
    held = found["nothing_in_quarantine"]
    assert (held.passed, held.severity, figures(held)["rows"]) == (False, WARN, 1)
    assert "'value' is string in the source and double in the table" in figures(held)["reasons"]
    assert "1 rows in telemetry.cpu__quarantine" in str(held.description)
    # What is in quarantine came from the source, too.
    assert found["source_equals_lake"].passed


@pytest.mark.slow
def test_nothing_is_loaded_yet(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {checks: {no_duplicate_points: true, outliers: true, gaps: {longer_than: 1h}}}}"
    lake.write("cpu,host=a usage=1 0")
    names = ("source_equals_lake", "no_duplicate_points", "gaps", "schema_drift", "outliers")
    found = {name: lake.check(name) for name in names}
    assert all(each.passed for each in found.values())
    assert found["gaps"].description == "measurement cpu: nothing is loaded yet"
    assert found["source_equals_lake"].description == "measurement cpu: nothing is loaded yet"


def test_a_lake_with_nothing_in_it_is_warned_of_and_not_called_stale(lake: CheckedLake) -> None:
    lake.measurements = "{cpu: {freshness: {warn: 30m, fail: 2h}}}"
    found = lake.check("freshness")
    assert (found.passed, found.severity) == (False, WARN)
    assert "nothing is loaded yet; its first window was due " in str(found.description)
    lake.measurements = "{cpu: {freshness: {fail: 2h}, partition: {every: month, start: 2100-01-01}}}"
    found = lake.check("freshness")
    assert found.passed
    assert "nothing is loaded yet, and nothing is due" in str(found.description)


def test_no_secret_is_in_what_is_stored(lake: CheckedLake) -> None:
    lake.write("cpu,host=a usage=1 0")
    result = lake.load()
    stored = "\n".join(dg.serialize_value(entry) for entry in lake.instance.all_logs(result.run_id))
    assert "source_rows" in stored
    assert str(lake.box.token) not in stored


def test_a_window_that_fails_its_checks_is_not_visible_and_the_run_says_why(lake: CheckedLake) -> None:
    lake.measurements = (
        "{cpu: {write: {publish: after_checks}, checks: {values: [{column: usage, between: [0, 100]}]}}}"
    )
    lake.write("cpu,host=a usage=1 0", "cpu,host=a usage=200 30")
    result = lake.load("2026-01-01", "2026-01-02")
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    message = str(failure.event_specific_data.error)  # type: ignore[union-attr]
    assert f"window {day(1)}" in message
    assert "did not pass its checks: values: " in message
    assert "usage in 0..100" in message
    assert "influx-lake publish telemetry.cpu --branch influx_lake_audit_" in message
    assert lake.instance.get_materialized_partitions(CPU) == {"2026-01-01"}
    lake.measurements = lake.measurements.replace("[0, 100]", "[0, 300]")
    assert lake.load("2026-01-02").success
    assert lake.instance.get_materialized_partitions(CPU) == {"2026-01-01", "2026-01-02"}
    assert lake.check("source_equals_lake").passed
