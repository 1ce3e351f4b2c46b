"""Runs that die, alone or with all that could tell of it: their windows are loaded all the same."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from pyiceberg.exceptions import NoSuchTableError

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import SETTINGS, DagsterSite, wait_until
from influx_lake_tests.e2e.runs_at_work import half_done_load
from influx_lake_tests.e2e.telemetry import DATABASE, MEASUREMENTS, days, fill, rows_of, write_lake

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(600)]

FIRST_DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=8)
POLL_SECONDS, PATIENCE_SECONDS = 2, 10
PAUSE_AND_TICK_SECONDS = 120
"""What failed waits a minute, the second time two, and a tick comes each minute."""
STARTING_SECONDS = 90
"""Runs load the definitions, on a machine that has other things to do."""


def impatient() -> str:
    """The repository's settings, with less patience."""
    settings = yaml.safe_load(SETTINGS)
    settings["run_monitoring"]["poll_interval_seconds"] = POLL_SECONDS
    settings["run_launcher"]["config"]["patience_seconds"] = PATIENCE_SECONDS
    return yaml.safe_dump(settings)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        fill(sandbox, FIRST_DAY)
        # So slow that a run can be killed between two of its windows.
        sandbox.faults.batch_delay = 2.0
        yield sandbox


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[DagsterSite]:
    write_lake(tmp_path, sandbox, FIRST_DAY, automation="on")
    with DagsterSite(tmp_path, {"INFLUXDB3_TOKEN": sandbox.token or ""}, impatient()) as site:
        yield site


@pytest.fixture
def instance(site: DagsterSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(site.folder / "dagster"))
    with dg.DagsterInstance.from_config(str(site.folder / "dagster")) as instance:
        yield instance


def is_loaded(folder: Path) -> bool:
    """Whether every table holds the whole week, and each row once."""
    lake = folder / ".lake"
    catalog = open_catalog("lake", {"uri": f"sqlite:///{lake}/catalog.db", "warehouse": f"{lake}/warehouse"})
    try:
        times = {name: catalog.load_table((DATABASE, name)).scan().to_arrow()["time"] for name in MEASUREMENTS}
    except NoSuchTableError:
        return False
    return all(
        Counter(str(moment.date()) for moment in found.to_pylist())
        == {day: rows_of(name, index) for index, day in enumerate(days(FIRST_DAY))}
        for name, found in times.items()
    )


def is_alive(pid: int) -> bool:
    """Whether a process is there and not just unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until_failed(instance: dg.DagsterInstance, run_id: str, *, seconds: float) -> str:
    """Wait until a run counts as failed; gives what was said of that."""

    def failed() -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.status is dg.DagsterRunStatus.FAILURE

    wait_until(failed, seconds=seconds, what=f"the end of run {run_id}")
    return " ".join(entry.message for entry in instance.all_logs(run_id))


def test_windows_of_dead_runs_are_loaded_by_themselves(
    site: DagsterSite, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    killed = half_done_load(instance)
    os.kill(killed.pid, signal.SIGKILL)
    until_failed(instance, killed.run_id, seconds=30)

    lost = half_done_load(instance, seconds=PAUSE_AND_TICK_SECONDS + STARTING_SECONDS)
    site.lose_daemon()
    wait_until(lambda: not is_alive(lost.pid), seconds=10, what="the end of the run's process")
    ended = instance.get_run_by_id(lost.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.STARTED

    sandbox.faults.clear()
    site.start_daemon()
    said = until_failed(instance, lost.run_id, seconds=PATIENCE_SECONDS + 2 * POLL_SECONDS + 30)
    assert "its code server has not answered" in said
    wait_until(
        lambda: is_loaded(site.folder),
        seconds=2 * PAUSE_AND_TICK_SECONDS + STARTING_SECONDS,
        what="the windows of runs that died",
    )
