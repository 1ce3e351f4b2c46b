"""Points of the open window reach their tables by one sensor, and their partitions stay to be loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from influx_lake.orchestration.automation.tail_sensor import LONGEST_RUN, chunks_of, tail_jobs, tail_sensor
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import CPU, SensedLake

MINUTE = timedelta(minutes=1)


@dataclass
class Tailed(SensedLake):
    """The lake, and the time that its sensor sees."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def tick(self, later: timedelta = MINUTE) -> SensorExecutionData:  # type: ignore[override]
        """Let time pass and tick."""
        self.now += later
        return self.evaluate(tail_sensor(self.lake, tail_jobs(self.lake), clock=lambda: self.now))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Tailed]]:
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:

        def made(**measurements: Any) -> Tailed:
            return Tailed(box, tmp_path, instance, {"measurements": measurements})

        yield made


def test_new_points_are_in_the_table_and_observed_and_not_materialised(make: Callable[..., Tailed]) -> None:
    lake = make(cpu={"tail": {"lag": "0"}}, mem={})
    lake.write_at(datetime.now(UTC))
    [request] = lake.tick().run_requests or []
    assert (request.job_name, request.tags["influx_lake/reason"]) == ("tail_default", "tail")
    assert lake.run_job(request).success
    assert lake.rows() == 1
    [(partition, said)] = lake.observations(CPU)
    assert partition is None
    assert (said["new_rows"], said["open_window"]) == (1, f"{datetime.now(UTC):%Y-%m-%d}")
    assert 0 <= said["lag_seconds"] < 60
    assert lake.instance.get_materialized_partitions(CPU) == set()
    assert lake.coverage() == ""
    lake.write_at(datetime.now(UTC), host="next")
    [request] = lake.tick().run_requests or []
    assert lake.run_job(request).success
    assert lake.run_job(request).success
    assert lake.rows() == 2
    assert len(lake.observations(CPU)) == 2


def test_it_starts_when_it_is_time_and_the_run_before_is_done(make: Callable[..., Tailed]) -> None:
    lake = make(cpu={"tail": {"every": "1m"}}, mem={"tail": {"every": "5m"}})
    assert len(lake.tick().run_requests or []) == 2
    assert lake.tick(timedelta(seconds=30)).run_requests == []
    [again] = lake.tick(timedelta(seconds=30)).run_requests or []
    assert again.tags["influx_lake/measurement"] == "cpu"
    lake.instance.create_run_for_job(
        lake.repository.get_job("tail_default"), status=dg.DagsterRunStatus.STARTED, tags=dict(again.tags)
    )
    assert lake.tick().run_requests == []
    # One that hangs is ended by Dagster's monitoring.
    assert int(again.tags[MAX_RUNTIME_SECONDS_TAG]) == LONGEST_RUN.total_seconds()


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE])
def test_tails_of_another_lake_with_the_same_names_are_its_own_affair(
    make: Callable[..., Tailed], status: dg.DagsterRunStatus
) -> None:
    lake = make(cpu={"tail": {}})
    [request] = lake.tick().run_requests or []
    for location in ("other", "this"):
        run = lake.instance.create_run_for_job(
            lake.repository.get_job("tail_default"),
            status=status,
            tags=dict(request.tags),
            remote_job_origin=started_at(location),
        )
        ours = lake.tick(MINUTE).run_requests or []
        assert len(ours) == (1 if location == "other" else 0)
        lake.instance.delete_run(run.run_id)


def started_at(location: str) -> RemoteJobOrigin:
    """The origin of a run of a code location."""
    place = RegisteredCodeLocationOrigin(location)
    return RemoteJobOrigin(RemoteRepositoryOrigin(place, "__repository__"), "tail_default")


def test_tails_that_fail_wait_longer_each_time_and_not_once_they_work(make: Callable[..., Tailed]) -> None:
    lake = make(cpu={"tail": {"lag": "0"}}, mem={"tail": {"lag": "0"}})
    lake.write_at(datetime.now(UTC))
    [request] = lake.tick().run_requests or []
    result = lake.run_job(request)
    # There is no mem: cpu is tailed all the same, and the run says what is wrong.
    assert not result.success
    assert lake.rows() == 1
    assert "mem" in str(result.all_events)
    assert lake.tick(MINUTE).run_requests == []
    [request] = lake.tick(MINUTE).run_requests or []
    lake.write_at(datetime.now(UTC), measurement="mem")
    assert lake.run_job(request).success
    assert len(lake.tick(MINUTE).run_requests or []) == 1


def test_a_thousand_measurements_are_few_runs(tmp_path: Path) -> None:
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:
        lake = Tailed(box, tmp_path, instance, {"measurements": {f"m{n}": {"tail": {}} for n in range(120)}})
        sizes = [len(chunk.measurements) for chunk in chunks_of(lake.lake.measurements)]
        assert sizes == [50, 50, 20]
        assert len({chunk.name for chunk in chunks_of(lake.lake.measurements)}) == 3


def test_a_lake_without_tails_has_neither_job_nor_sensor(make: Callable[..., Tailed]) -> None:
    lake = make(cpu={})
    assert not any("tail" in job.name for job in lake.repository.get_all_jobs())
    assert not lake.repository.has_sensor_def("tails")
    tailed = make(cpu={"tail": {}})
    assert tailed.repository.get_sensor_def("tails").default_status is dg.DefaultSensorStatus.RUNNING
