"""Several measurements that one step loads: each is for itself, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import dagster as dg
import pyarrow as pa
import pytest

from influx_lake.config import Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound, SourceUnavailable
from influx_lake.orchestration.assets import measurement_assets as assets
from influx_lake.orchestration.execution import measurement_step
from influx_lake.orchestration.keys import IO_MANAGER_KEY, asset_key
from influx_lake.orchestration.partitions import partitions_for
from influx_lake_tests.unit.orchestration.fakes import START, FakeSource, Lake, Run, cpu, hourly_points

DAY = timedelta(days=1)
NAMES = ("cpu", "disk", "mem")


@dataclass
class Moody(FakeSource):
    """A source that fails for some measurements, from some window on.

    Attributes:
        moods: What is raised, by measurement.
        since: The start of the first window that it is raised for.
        away: How often it is not there to be counted.
    """

    moods: dict[str, Exception] = field(default_factory=dict)
    since: timedelta = timedelta(0)
    away: int = 0

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[pa.RecordBatchReader]:
        if schema.measurement in self.moods and window.start >= START + self.since:
            raise self.moods[schema.measurement]
        with super().read(schema, window) as rows:
            yield rows


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch, lake: Lake) -> dg.AssetsDefinition:
    """Three measurements that one step loads."""
    monkeypatch.setattr(assets, "STEPS_OF_THEIR_OWN", 0)
    lake.source = Moody(hourly_points(3))
    [found] = of_names(NAMES)
    return found


def of_names(names: Sequence[str]) -> list[dg.AssetsDefinition]:
    measurements = [cpu(name=name) for name in names]
    return assets.measurement_assets(measurements, options(measurements))


def options(measurements: Sequence[Measurement]) -> assets.AssetOptions:
    partitions = partitions_for(cpu().scheme)
    return assets.AssetOptions(
        {
            (each.source, each.name): dg.AssetSpec(["influxdb", each.name], partitions_def=partitions)
            for each in measurements
        }
    )


def materialized(run: Run) -> list[tuple[str, str | None]]:
    events = run.result.get_asset_materialization_events()
    found = [event.step_materialization_data.materialization for event in events]
    return sorted((each.asset_key.path[-1], each.partition) for each in found)


def test_all_of_them_by_one_step(lake: Lake, together: dg.AssetsDefinition) -> None:
    run = lake.run(together, key="2026-01-01")
    assert run.success
    assert materialized(run) == [(name, "2026-01-01") for name in NAMES]
    assert len([event for event in run.result.all_events if event.is_step_start]) == 1
    for name in NAMES:
        assert len(lake.rows("telemetry", name)) == 48


@pytest.mark.parametrize("mood", [SourceUnavailable("the server is away"), KeyError("a bug")])
def test_one_that_fails_keeps_no_other_out_and_is_not_shown_as_loaded(
    lake: Lake, together: dg.AssetsDefinition, mood: Exception
) -> None:
    assert isinstance(lake.source, Moody)
    lake.source.moods["disk"] = mood
    run = lake.run(together, key="2026-01-01")
    assert not run.success
    assert materialized(run) == [("cpu", "2026-01-01"), ("mem", "2026-01-01")]
    [failed] = [event for event in run.result.all_events if event.is_step_failure]
    assert str(mood.args[0]) in str(failed.step_failure_data.error)
    assert "telemetry/disk was not loaded" in run.event_log


def test_several_that_fail_are_all_reported(lake: Lake, together: dg.AssetsDefinition) -> None:
    assert isinstance(lake.source, Moody)
    lake.source.moods |= {"cpu": SourceUnavailable("away"), "disk": MeasurementNotFound("there is no disk")}
    run = lake.run(together, key="2026-01-01")
    assert materialized(run) == [("mem", "2026-01-01")]
    message = str(run.failure.description)
    assert message.startswith("2 failures:\n- measurement cpu, window 2026-01-01")
    assert "- measurement disk" in message
    assert "there is no disk" in message


def test_windows_before_the_one_that_failed_are_shown(lake: Lake, together: dg.AssetsDefinition) -> None:
    assert isinstance(lake.source, Moody)
    lake.source.moods["disk"], lake.source.since = SourceUnavailable("away"), DAY
    run = lake.run(together, keys=("2026-01-01", "2026-01-03"))
    days = [f"2026-01-0{day}" for day in (1, 2, 3)]
    assert materialized(run) == [*(("cpu", day) for day in days), ("disk", days[0]), *(("mem", day) for day in days)]
    assert {facts["dagster/partition_row_count"] for facts in run.partitions.values()} == {48}


def test_only_those_that_a_run_chose(lake: Lake, together: dg.AssetsDefinition) -> None:
    chosen = dg.AssetSelection.assets(asset_key(cpu(name="mem"))).without_checks()
    run = lake.run(together, key="2026-01-01", selection=chosen)
    assert run.success
    assert materialized(run) == [("mem", "2026-01-01")]


def test_what_is_downstream_reads_one_of_them(lake: Lake, together: dg.AssetsDefinition) -> None:
    rows: list[int] = []

    @dg.asset(
        ins={"points": dg.AssetIn(["telemetry", "mem"], input_manager_key=IO_MANAGER_KEY)},
        partitions_def=partitions_for(cpu().scheme),
    )
    def below(points: pa.Table) -> None:
        rows.append(len(points))

    assert lake.run(together, below, key="2026-01-01", everything=True).success
    assert rows == [48]


def test_a_check_that_could_not_be_done_is_done_again_and_nothing_else_is(
    lake: Lake, together: dg.AssetsDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def check(context: dg.AssetExecutionContext, chosen: list[str]) -> Iterator[measurement_step.Evaluation]:
        for name in sorted(chosen):
            done.append(name)
            if name == "gaps" and done.count(name) <= len(NAMES):
                yield SourceUnavailable("away")
            else:
                yield dg.AssetCheckResult(passed=True, asset_key=asset_key(cpu(name=done_of())), check_name=name)

    def done_of() -> str:
        return NAMES[(done.count(done[-1]) - 1) % len(NAMES)]

    monkeypatch.setattr(measurement_step, "CHECKED_AGAIN", dg.RetryPolicy(max_retries=1))
    monkeypatch.setattr(assets, "Checker", lambda *_: check)
    [again] = of_names(NAMES)
    selection = dg.AssetSelection.assets(*again.keys) | dg.AssetSelection.checks_for_assets(*again.keys)
    run = lake.run(again, key="2026-01-01", selection=selection)
    assert run.success
    assert materialized(run) == [(name, "2026-01-01") for name in NAMES]
    assert {name: done.count(name) for name in done} == {
        "gaps": 6,
        "schema_drift": 3,
        "small_files": 3,
        "source_equals_lake": 3,
    }


def test_a_step_keeps_its_measurements_as_others_appear(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(count: int) -> dict[dg.AssetKey, str]:
        return {
            key: each.node_def.name for each in of_names([f"m{number}" for number in range(count)]) for key in each.keys
        }

    assert len(set(steps(assets.STEPS_OF_THEIR_OWN).values())) == assets.STEPS_OF_THEIR_OWN
    few, many = steps(260), steps(390)
    assert len(few) == 260
    assert len(set(few.values())) == 16
    assert few.items() <= many.items()


def test_measurements_of_other_windows_or_sources_have_other_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "STEPS_OF_THEIR_OWN", 0)
    measurements = [cpu(), replace(cpu(name="mem"), source="other"), replace(cpu(name="disk"), windows_per_run=3)]
    found = assets.measurement_assets(measurements, options(measurements))
    assert len({each.node_def.name for each in found}) == 3
    assert {each.op.pool for each in found} == {"influxdb_default", "influxdb_other"}
    assert sorted(each.backfill_policy.max_partitions_per_run or 0 for each in found if each.backfill_policy) == [
        3,
        30,
        30,
    ]
