"""A lake that nobody touches keeps equal to its source, whatever happens to source and runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from influx_lake_tests.e2e.dagster_site import DagsterSite, wait_until, with_block
from influx_lake_tests.e2e.living.living_source import DATABASE, LivingSource
from influx_lake_tests.e2e.living.living_tables import LivingTables, difference, in_microseconds
from influx_lake_tests.e2e.runs_at_work import half_done_load

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(840)]

LAG = timedelta(seconds=5)
PROMISED = LAG + timedelta(minutes=2)
DISCOVERED_EVERY = timedelta(seconds=30)
HOUR = timedelta(hours=1)
OUTAGE_SECONDS = 30.0
KNOWN = ("cpu", "mem")
APPEARING = "room_attic"
_SHOWN = """{
  assetNodes { assetKey { path } partitionStats { numFailed } assetChecksOrError { ... on AssetChecks {
    checks { name executionForLatestMaterialization { status evaluation { description } } } } } }
  repositoriesOrError { ... on RepositoryConnection { nodes {
    sensors { name sensorState { ticks(limit: 1) { status error { message } } } }
    schedules { name scheduleState { ticks(limit: 1) { status error { message } } } } } } } }"""


def write_lake(folder: Path, source: LivingSource) -> None:
    (folder / "lake.yaml").write_text(
        f"""
sources:
  default: {{host: "{source.box.url}", database: {DATABASE}, token: "${{INFLUXDB3_TOKEN}}", connect_timeout: 2s}}
discovery: {{every: {DISCOVERED_EVERY.seconds}s}}
defaults:
  lag: {LAG.seconds}s
  partition: {{every: hour, start: "{source.first_hour:%Y-%m-%dT%H:%M:%SZ}"}}
  tail: {{every: 20s, lag: {LAG.seconds}s}}
  reconcile: {{within: 1d, every: 1m, profile: true}}
  on_changed_values: load
measurements:
  cpu: {{}}
  mem: {{}}
  "room_*": {{}}
""",
        encoding="utf-8",
    )


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LivingSource]:
    with LivingSource(tmp_path / "source") as source:
        yield source


@pytest.fixture
def site(source: LivingSource, postgres: str, tmp_path: Path) -> Iterator[DagsterSite]:
    write_lake(tmp_path, source)
    # So slow at first that a run can be killed between two of its windows.
    source.box.faults.batch_delay = 2.0
    variables = {"INFLUXDB3_TOKEN": source.box.token or "", "DAGSTER_POSTGRES_URL": postgres}
    with DagsterSite(tmp_path, variables, with_block("postgres")) as site:
        yield site


@pytest.fixture
def instance(site: DagsterSite, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres)
    with dg.DagsterInstance.from_config(str(site.folder / "dagster")) as instance:
        yield instance


@pytest.fixture
def tables(site: DagsterSite) -> LivingTables:
    return LivingTables(site.folder)


def differences(source: LivingSource, tables: LivingTables) -> dict[str, str]:
    """How the tables of all measurements differ from their source; nothing where none does."""
    found = {name: difference(source.rows(name), tables.rows(name)) for name in source.measurements}
    return {name: said for name, said in found.items() if said}


def until_equal(source: LivingSource, tables: LivingTables, *, seconds: float) -> None:
    found: dict[str, str] = {}

    def are_equal() -> bool:
        found.clear()
        found.update(differences(source, tables))
        return not found

    try:
        wait_until(are_equal, seconds=seconds, what="every table equal to its source")
    except TimeoutError as error:
        raise AssertionError(f"{error}: {found}") from None


def until_past_is_equal(source: LivingSource, tables: LivingTables, *, seconds: float, what: str) -> None:
    """Wait until the windows that were closed when the source was made are as the source has them."""
    closed = pc.field("time") < pa.scalar(source.began.replace(minute=0, second=0), pa.timestamp("us", "UTC"))

    def past(rows: pa.Table | None) -> pa.Table | None:
        return rows if rows is None else in_microseconds(rows).filter(closed)

    def is_equal() -> bool:
        return not any(difference(past(source.rows(name)), past(tables.rows(name))) for name in KNOWN)

    wait_until(is_equal, seconds=seconds, what=what)


def until_tailed(source: LivingSource, tables: LivingTables, *, seconds: float) -> None:
    """Wait until what is written by now is in the tables."""
    until = source.until

    def is_in(name: str) -> bool:
        rows = tables.rows(name)
        return rows is not None and pc.max(rows["time"]).as_py() >= until

    wait_until(lambda: all(map(is_in, KNOWN)), seconds=seconds, what="points in the tables")


def change_everything(source: LivingSource) -> None:
    """Late points and changed values in windows that are loaded, a new measurement, a new field."""
    for minute in range(10):
        into = timedelta(minutes=minute)
        source.write_late("cpu", source.first_hour + HOUR + into + timedelta(seconds=7), value=1.5)
        source.write_late("mem", source.first_hour + 2 * HOUR + into, value=2e9 + minute)
    source.measurements.append(APPEARING)
    source.fields.append("temperature")


def failures_shown(site: DagsterSite) -> list[str]:
    """What the UI shows as failed: partitions, checks, and the last tick of whatever starts runs."""
    shown = site.ask(_SHOWN)
    failed = [
        f"{'/'.join(node['assetKey']['path'])}: {node['partitionStats']['numFailed']} partitions"
        for node in shown["assetNodes"]
        if (node["partitionStats"] or {}).get("numFailed")
    ]
    for node in shown["assetNodes"]:
        for check in node["assetChecksOrError"]["checks"]:
            executed = check["executionForLatestMaterialization"]
            if executed and executed["status"] != "SUCCEEDED":
                failed.append(f"check {check['name']} of {'/'.join(node['assetKey']['path'])}: {executed}")
    [repository] = shown["repositoriesOrError"]["nodes"]
    states = [(each["name"], each["sensorState"]) for each in repository["sensors"]]
    states += [(each["name"], each["scheduleState"]) for each in repository["schedules"]]
    return failed + [
        f"{name}: {tick['error']}" for name, state in states for tick in state["ticks"] if tick["status"] == "FAILURE"
    ]


def test_every_table_equals_its_source_with_no_hand_on_it(
    source: LivingSource, site: DagsterSite, instance: dg.DagsterInstance, tables: LivingTables
) -> None:
    automated = datetime.now(UTC)
    killed = half_done_load(instance)
    os.kill(killed.pid, signal.SIGKILL)
    source.box.faults.batch_delay = 0.0
    until_past_is_equal(source, tables, seconds=240, what="the history loaded all the same")

    changed = datetime.now(UTC)
    change_everything(source)
    source.fail_for(OUTAGE_SECONDS)
    back = datetime.now(UTC)
    until_tailed(source, tables, seconds=PROMISED.total_seconds())
    site.restart_daemon()
    until_past_is_equal(source, tables, seconds=240, what="late and changed points")
    wait_until(lambda: tables.rows(APPEARING), seconds=240, what="the measurement that appeared")
    source.end()
    until_equal(source, tables, seconds=180)

    ended = instance.get_run_by_id(killed.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE
    wait_until(lambda: not failures_shown(site), seconds=60, what="nothing shown as failed")
    for name, since, asked, promised in (
        *((name, automated, automated, PROMISED) for name in KNOWN),
        # No server tells of a new measurement while it is away.
        (APPEARING, changed, back, DISCOVERED_EVERY + PROMISED),
    ):
        latencies = tables.latencies(name, since)
        assert len(latencies) >= (source.until - since).total_seconds() - 1
        waited = {moment: moment + latency - max(moment, asked) for moment, latency in latencies.items()}
        assert max(waited.values()) <= promised, (name, *max(waited.items(), key=lambda each: each[1]))
