"""Four hosts and their last week in a sandbox, and a lake of it in which most is well and some is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite

DATABASE = "telemetry"
HOSTS = {"web-1": "eu", "web-2": "eu", "db-1": "eu", "cache-1": "us"}
FULL_DISK = "db-1"
LENGTH = 7
SILENT_DAYS = 2
"""How many days ago the writers of `net` stopped."""
ABOVE = 6
"""How many values of the last day of `disk` are above 100."""
_PERIOD = timedelta(minutes=5)
_FIELDS: Mapping[str, Mapping[str, float]] = {
    "cpu": {"usage_user": 31.5, "usage_system": 7.25, "load1": 0.8},
    "mem": {"used_percent": 48.0},
    "disk": {"used_percent": 83.0},
    "net": {"rx_bytes": 51_200.0, "tx_bytes": 20_480.0},
}
MEASUREMENTS = tuple(_FIELDS)
_OPTIONS = {
    "cpu": """
    description: Processor time of each host in percent, every five minutes.
    owners: [team:platform]
    tags: {tier: gold}
    windows_per_run: 4
    maintenance: {expire_snapshots: {older_than: 0s, keep_last: 2}}
    checks: {outliers: {columns: [usage_user]}, values: [{column: usage_user, between: [0, 100]}]}
    rollups: {hourly: {every: 1h, by: [host], functions: [mean, max]}}""",
    "mem": "{}",
    "disk": """
    checks: {values: [{column: used_percent, between: [0, 100]}]}""",
    "net": "{}",
}


@contextmanager
def fleet_site(folder: Path) -> Iterator[tuple[DagsterSite, Sandbox]]:
    """Dagster on a lake of the fleet, in which nothing is loaded yet, and the source of that."""
    with Sandbox() as sandbox:
        first = first_day()
        fill(sandbox, first)
        write_lake(folder, sandbox, first)
        with DagsterSite(folder, {"INFLUXDB3_TOKEN": sandbox.token or ""}) as site:
            yield site, sandbox


def first_day(now: datetime | None = None) -> datetime:
    """The first day of the week that ended last midnight."""
    midnight = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=LENGTH)


def days(first: datetime) -> list[str]:
    """The partition keys of the week."""
    return [f"{first + timedelta(days=day):%Y-%m-%d}" for day in range(LENGTH)]


def rows_of(measurement: str, day: int) -> int:
    """How many points a measurement has on a day."""
    return sum(1 for _ in _points(measurement, day))


def fill(sandbox: Sandbox, first: datetime) -> None:
    """Write the week."""
    for measurement in MEASUREMENTS:
        lines = [
            f"{measurement},host={host},region={HOSTS[host]} "
            + ",".join(f"{name}={_value(name, usual, host, at, day)}" for name, usual in _FIELDS[measurement].items())
            + f" {int((first + timedelta(days=day) + at).timestamp()) * 10**9}"
            for day in range(LENGTH)
            for host, at in _points(measurement, day)
        ]
        sandbox.write(DATABASE, "\n".join(lines))


def write_late_point(sandbox: Sandbox, measurement: str, first: datetime) -> None:
    """Write a point of the last day that was not there before."""
    moment = first + timedelta(days=LENGTH) - timedelta(seconds=1)
    name, usual = next(iter(_FIELDS[measurement].items()))
    line = f"{measurement},host=web-1,region={HOSTS['web-1']} {name}={usual} {int(moment.timestamp()) * 10**9}"
    sandbox.write(DATABASE, line)


def lose_everything(sandbox: Sandbox) -> None:
    """Let the source forget all rows, as InfluxDB 3 Core does after a restart."""
    sandbox.faults.hidden_before = int(datetime.now(UTC).timestamp()) * 10**9


def _points(measurement: str, day: int) -> Iterator[tuple[str, timedelta]]:
    """Who wrote when; one host begins later each day, so that no two days have as many points."""
    if measurement == "net" and day >= LENGTH - SILENT_DAYS:
        return
    for host in HOSTS:
        late = timedelta(minutes=30 * day**2) if host == "cache-1" else timedelta(0)
        for number in range(timedelta(days=1) // _PERIOD):
            if (at := number * _PERIOD) >= late:
                yield host, at


def _value(field: str, usual: float, host: str, at: timedelta, day: int) -> float:
    """A value that rises until noon, and of one disk too far in the end."""
    if field == "used_percent" and host == FULL_DISK and day == LENGTH - 1 and at < ABOVE * _PERIOD:
        return 104.0
    swing = 1 - abs(at / timedelta(hours=12) - 1)
    return round(usual * (0.8 + 0.3 * swing + 0.02 * list(HOSTS).index(host)), 3)


def write_lake(folder: Path, sandbox: Sandbox, first: datetime) -> None:
    """The lake.yaml; the token comes from the environment. Without a lag, the week is due from midnight on."""
    measurements = "\n".join(f"  {name}: {options}" for name, options in _OPTIONS.items())
    (folder / "lake.yaml").write_text(
        f"""
sources:
  default: {{host: "{sandbox.url}", database: {DATABASE}, token: "${{INFLUXDB3_TOKEN}}", connect_timeout: 2s}}
automation: off
defaults:
  windows_per_run: {LENGTH}
  lag: 0s
  partition: {{every: day, start: {first:%Y-%m-%d}}}
  freshness: {{warn: 6h, fail: 1d}}
measurements:
{measurements}
""",
        encoding="utf-8",
    )
