"""A code server that does not answer in time fails no run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import SETTINGS, DagsterSite, wait_until
from influx_lake_tests.e2e.telemetry import DATABASE, days, write_lake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PATIENCE_SECONDS = 12
"""Dagster's is a minute; a code server that hears nothing of the daemon for 20 seconds ends by itself."""


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[DagsterSite]:
    write_lake(tmp_path, sandbox)
    settings = yaml.safe_load(SETTINGS)
    settings["run_queue"]["user_code_failure_retry_delay"] = 1
    variables = {"INFLUXDB3_TOKEN": sandbox.token or "", "DAGSTER_GRPC_TIMEOUT_SECONDS": str(PATIENCE_SECONDS)}
    with DagsterSite(tmp_path, variables, yaml.safe_dump(settings)) as site:
        yield site


def test_a_code_server_that_does_not_answer_is_asked_again(site: DagsterSite) -> None:
    with site.silent_code_servers():
        [run] = site.launch([DATABASE, "cpu"], days()[:1])
        wait_until(lambda: "re-submitting the run" in site.log(run), seconds=60, what="a run that is queued again")

    [ended] = site.ended_runs([run], seconds=200)
    assert ended["status"] == "SUCCESS", site.log(run)
