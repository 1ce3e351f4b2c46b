"""What this package warns of is in the event log of the run, whatever the instance's dagster.yaml says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.orchestration.definitions import build_definitions

LAKE = """\
sources: {default: {type: line_protocol, path: points, database: telemetry, staging: staged}}
catalog: {type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}
defaults: {partition: {start: 2026-01-01}}
measurements: {cpu: {}}
"""
DAY_NS = 1_767_225_600 * 10**9  # 2026-01-01


@pytest.fixture
def job(tmp_path: Path) -> dg.JobDefinition:
    (tmp_path / "lake.yaml").write_text(LAKE)
    (tmp_path / "points").mkdir()
    lines = (f"cpu,host={host} v={value} {DAY_NS}" for host in "ab" for value in (1.0, 2.0))
    (tmp_path / "points" / "a.lp").write_text("\n".join(lines))
    definitions = build_definitions(load_lake(tmp_path / "lake.yaml"))
    return definitions.resolve_implicit_global_asset_job_def()


def warnings_of(job: dg.JobDefinition, instance: dg.DagsterInstance) -> list[str]:
    key = dg.AssetKey(["telemetry", "cpu"])
    run = job.execute_in_process(instance=instance, partition_key="2026-01-01", asset_selection=[key])
    assert run.success
    logged = (record for record in instance.all_logs(run.run_id) if record.level >= logging.WARNING)
    return [record.user_message for record in logged if record.step_key]


@pytest.mark.parametrize("managed", [[], ["root"], ["influx_lake.sources"]])
def test_a_source_s_warning_is_in_the_event_log_once(job: dg.JobDefinition, managed: list[str]) -> None:
    settings: dict[str, Any] = {"python_logs": {"managed_python_loggers": managed}} if managed else {}
    with dg.DagsterInstance.ephemeral(settings=settings) as instance:
        told = [each for each in warnings_of(job, instance) if "different values" in each]
    assert len(told) == 1
    assert "cpu" in told[0]
    assert "2" in told[0]


def test_nothing_is_forwarded_after_a_step(job: dg.JobDefinition) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert warnings_of(job, instance)
    assert not logging.getLogger("influx_lake").handlers
