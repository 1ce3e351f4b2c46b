"""A lake whose runs are done by Celery's workers."""

from __future__ import annotations

import os
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
from influx_lake_tests.e2e.dagster_site import REPOSITORY, DagsterSite

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
    folder: Path,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    measurements: int,
    days: int,
    windows_per_run: int,
    partition: str = "every: day",
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
  partition: {{{partition}, start: {first_day(days):%Y-%m-%d}}}
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
