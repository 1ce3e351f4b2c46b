"""Runs on Celery's workers: of a backfill nothing is lost or doubled when workers, the broker or the source go away."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from influx_lake.cli.entry import run
from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.celery.celery_workers import CeleryWorkers
from influx_lake_tests.e2e.dagster_site import REPOSITORY, DagsterSite, wait_until
from influx_lake_tests.e2e.runs_at_work import half_done_load

pytestmark = pytest.mark.servers

DATABASE = "telemetry"
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
PATIENCE_SECONDS = 8


def impatient() -> str:
    """deploy/celery/dagster.yaml, with less patience."""
    settings = yaml.safe_load((REPOSITORY / "deploy" / "celery" / "dagster.yaml").read_text(encoding="utf-8"))
    settings["run_monitoring"]["poll_interval_seconds"] = 2
    settings["run_launcher"]["config"]["patience_seconds"] = PATIENCE_SECONDS
    settings["concurrency"]["runs"]["max_concurrent_runs"] = 2
    return yaml.safe_dump(settings)


@dataclass(frozen=True)
class Fleet:
    """Dagster, its workers, and the source that they load."""

    site: DagsterSite
    workers: CeleryWorkers
    sandbox: Sandbox
    instance: dg.DagsterInstance

    def verify(self, *measurements: str) -> int:
        """What `influx-lake verify --values` ends with."""
        return run(["verify", *measurements, "--values", "-c", str(self.site.folder / "lake.yaml")])


@contextmanager
def fleet(
    folder: Path, postgres: str, monkeypatch: pytest.MonkeyPatch, *, measurements: int, days: int, windows_per_run: int
) -> Iterator[Fleet]:
    with ExitStack() as stack:
        box = stack.enter_context(Sandbox())
        names = [f"m{number}" for number in range(measurements)]
        for name in names:
            box.write(DATABASE, "\n".join(lines(name, days)))
            (folder / "lake.yaml").write_text(
                f"""
sources:
  default: {{host: "{box.url}", database: {DATABASE}, token: "${{INFLUXDB3_TOKEN}}", connect_timeout: 2s}}
automation: off
defaults:
  windows_per_run: {windows_per_run}
  partition: {{every: day, start: {first_day(days):%Y-%m-%d}}}
measurements: {{{", ".join(f"{name}: {{}}" for name in names)}}}
""",
                encoding="utf-8",
            )
        environment = {
            "INFLUXDB3_TOKEN": box.token or "",
            "DAGSTER_POSTGRES_URL": postgres,
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        workers = stack.enter_context(CeleryWorkers(folder, environment))
        for name, value in (environment | workers.variables).items():
            monkeypatch.setenv(name, value)
        site = stack.enter_context(DagsterSite(folder, settings=impatient()))
        instance = stack.enter_context(dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]))
        yield Fleet(site, workers, box, instance)


def first_day(days: int) -> datetime:
    return MIDNIGHT - timedelta(days=days)


def lines(measurement: str, days: int) -> Iterator[str]:
    for day in range(days):
        for hour in range(24):
            moment = int((first_day(days) + timedelta(days=day, hours=hour)).timestamp())
            yield f"{measurement},host=h{hour % 3} value={day / 7 + hour},count={day * hour}i {moment}000000000"


def all_days(days: int) -> list[str]:
    return [f"{first_day(days) + timedelta(days=day):%Y-%m-%d}" for day in range(days)]


def status_of(instance: dg.DagsterInstance, run_id: str) -> Callable[[], dg.DagsterRunStatus | None]:
    def look() -> dg.DagsterRunStatus | None:
        found = instance.get_run_by_id(run_id)
        return found.status if found is not None and found.is_finished else None

    return look


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Fleet]:
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        fleet(
            tmp_path_factory.mktemp("fleet"), postgres, monkeypatch, measurements=3, days=8, windows_per_run=8
        ) as found,
    ):
        found.sandbox.faults.batch_delay = 2.0
        yield found


@pytest.mark.timeout(400)
def test_a_worker_dies_and_another_comes(at_work: Fleet) -> None:
    at_work.workers.start("w1")
    backfill = at_work.site.backfill([DATABASE, "m0"], partitions=all_days(8))
    lost = half_done_load(at_work.instance)
    at_work.workers.kill("w1")
    at_work.workers.start("w2")
    failed = wait_until(status_of(at_work.instance, lost.run_id), seconds=90, what="the end of the lost run")
    assert failed is dg.DagsterRunStatus.FAILURE
    assert "no Celery worker" in at_work.site.log(lost.run_id)
    ended = at_work.site.ended(backfill, seconds=180)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    assert at_work.verify("m0") == 0


@pytest.mark.timeout(400)
def test_a_broker_that_forgets_everything_ends_no_run(at_work: Fleet) -> None:
    backfill = at_work.site.backfill([DATABASE, "m1"], partitions=all_days(8))
    half_done_load(at_work.instance)
    at_work.workers.lose_broker()
    ended = at_work.site.ended(backfill, seconds=180)
    assert ended["status"] == "COMPLETED_SUCCESS", ended
    assert [each["status"] for each in ended["runs"]] == ["SUCCESS"]
    assert at_work.verify("m1") == 0


@pytest.mark.timeout(400)
def test_a_run_is_cancelled(at_work: Fleet) -> None:
    at_work.site.backfill([DATABASE, "m2"], partitions=all_days(8))
    load = half_done_load(at_work.instance)
    assert at_work.instance.run_launcher.terminate(load.run_id)
    ended = wait_until(status_of(at_work.instance, load.run_id), seconds=60, what="the end of the cancelled run")
    assert ended is dg.DagsterRunStatus.CANCELED
    assert not at_work.instance.run_launcher.terminate(load.run_id)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_backfill_of_eight_measurements_while_workers_come_and_go(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"m{number}" for number in range(8)]
    with fleet(tmp_path, postgres, monkeypatch, measurements=8, days=50, windows_per_run=10) as busy:
        busy.sandbox.faults.batch_delay = 0.2
        for worker in ("w1", "w2"):
            busy.workers.start(worker)
        backfill = busy.site.backfill(*([DATABASE, name] for name in names), partitions=all_days(50))
        half_done_load(busy.instance)
        busy.workers.kill("w1")
        busy.workers.start("w3")
        wait_until(lambda: loaded_windows(busy) >= 100, seconds=900, what="a quarter of the windows")
        busy.sandbox.faults.unavailable = True
        threading.Event().wait(60)
        busy.sandbox.faults.clear()
        ended = busy.site.ended(backfill, seconds=2_400)
        assert ended["status"] == "COMPLETED_SUCCESS", ended
        assert loaded_windows(busy) == 400
        assert busy.verify(*names) == 0


def loaded_windows(found: Fleet) -> int:
    """How many windows Dagster knows to be loaded."""
    keys = [dg.AssetKey([DATABASE, f"m{number}"]) for number in range(8)]
    return sum(len(found.instance.get_materialized_partitions(key)) for key in keys)
