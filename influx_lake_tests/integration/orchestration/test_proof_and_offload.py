"""Windows proved by runs that a sensor asks for, the check that tells how many are, and the job that needs approval."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.orchestration.proof.offloading import offload_job
from influx_lake.orchestration.proof.proving import proof_assets, proof_jobs, proof_sensor
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.orchestration.automated_lake import DAY, START
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import CPU, SensedLake

NOW = START + 5 * DAY + timedelta(hours=1)
DAYS = [f"2026-01-0{day}" for day in range(1, 6)]


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    with Sandbox() as box, dg.DagsterInstance.ephemeral() as instance:
        options = {"measurements": {"cpu": {"proof": {"most_windows": 3}, "offload": {"after": "1d"}}}}
        found = SensedLake(box, tmp_path, instance, options)
        found.write(1, 2, 3, 4, 5, measurements=["cpu"])
        found.load(DAYS[0], DAYS[-1])
        yield found


def tick(lake: SensedLake, now: datetime) -> Any:
    jobs = proof_jobs(lake.lake, proof_assets(lake.lake))
    return lake.evaluate(proof_sensor(lake.lake, jobs, clock=lambda: now))


def prove(lake: SensedLake, requests: Any) -> None:
    """Run what the sensor asked for."""
    for request in requests or ():
        one = {"dagster/partition": request.partition_key} if request.partition_key else {}
        job = lake.repository.get_job(request.job_name)
        tags = {**request.tags, **one}
        assert job.execute_in_process(instance=lake.instance, run_config=request.run_config, tags=tags).success


def checked(lake: SensedLake) -> tuple[bool, dict[str, Any]]:
    """What the check said last."""
    key = dg.AssetCheckKey(CPU, "proved")
    [record] = lake.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    event = record.event
    assert event is not None
    assert event.dagster_event is not None
    said: Any = event.dagster_event.event_specific_data
    return said.passed, {name: each.value for name, each in said.metadata.items()}


def test_windows_are_proved_in_turns_and_the_check_tells_how_many(lake: SensedLake) -> None:
    data = tick(lake, NOW)
    [request] = data.run_requests
    assert request.tags["influx_lake/window"] == "2026-01-01T00:00:00Z/2026-01-04T00:00:00Z"
    prove(lake, data.run_requests)
    passed, figures = checked(lake)
    assert (passed, figures["proved_windows"], figures["waiting_windows"]) == (True, 3, 2)
    assert tick(lake, NOW + timedelta(hours=1)).run_requests in ([], None)
    prove(lake, tick(lake, NOW + timedelta(hours=7)).run_requests)
    passed, figures = checked(lake)
    assert (passed, figures["proved_windows"], figures["waiting_windows"]) == (True, 5, 0)
    assert tick(lake, NOW + timedelta(hours=14)).run_requests in ([], None)


def test_nothing_is_deleted_without_approval_nor_where_the_source_cannot(lake: SensedLake) -> None:
    job = offload_job(lake.lake)
    assert job is not None
    for approve in (False, True):
        config = {"ops": {"offload_windows": {"config": {"approve": approve}}}}
        resolved = lake.definitions.resolve_job_def("offload")
        done = resolved.execute_in_process(run_config=config, instance=lake.instance)
        assert done.success
    said = json.dumps([each.user_message for each in lake.instance.all_logs(done.run_id)])
    assert "InfluxDB 3 cannot delete a range of time" in said or "it is not proved" in said
    assert lake.rows() == 10


def test_a_lake_without_these_options_has_none_of_it(tmp_path: Path) -> None:
    text = "{sources: {default: {host: 'http://a', database: d}}, measurements: {cpu: {}}, "
    text += "catalog: {type: sql, uri: 'sqlite:///c', warehouse: w}}"
    (tmp_path / "lake.yaml").write_text(text)
    plain = load_lake(tmp_path / "lake.yaml")
    assert (offload_job(plain), proof_assets(plain)) == (None, {})
