"""A sandbox with a week of four measurements, one of them with a roll-up, and the lake.yaml that loads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influx_lake.sandbox import Sandbox

DATABASE = "telemetry"
MEASUREMENTS = ("cpu", "mem", "disk", "net")
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = 7
ROLLUPS = {"cpu": "rollups: {hourly: {every: 1h, by: [host], functions: [mean, p95]}}"}


def days(first: datetime = FIRST_DAY) -> list[str]:
    """The partition keys of the week."""
    return [f"{first + timedelta(days=day):%Y-%m-%d}" for day in range(LENGTH)]


def rows_of(measurement: str, day: int) -> int:
    """How many points of a measurement a day has: another number for each of them."""
    return 200 + 10 * MEASUREMENTS.index(measurement) + day


def fill(sandbox: Sandbox, first: datetime = FIRST_DAY) -> None:
    """Write the week."""
    for measurement in MEASUREMENTS:
        sandbox.write(DATABASE, "\n".join(_lines(measurement, first)))


def _lines(measurement: str, first: datetime) -> Iterator[str]:
    for day in range(LENGTH):
        rows = rows_of(measurement, day)
        for index in range(rows):
            moment = first + timedelta(days=day) + timedelta(days=1) * index / rows
            nanoseconds = int(moment.timestamp()) * 10**9
            yield f"{measurement},host=host{index % 5},part=p{index} value={index / 7},count={index}i {nanoseconds}"


def write_lake(folder: Path, sandbox: Sandbox, first: datetime = FIRST_DAY, *, automation: str = "off") -> None:
    """The lake.yaml; the token comes from the environment."""
    (folder / "lake.yaml").write_text(
        f"""
sources:
  default: {{host: "{sandbox.url}", database: {DATABASE}, token: "${{INFLUXDB3_TOKEN}}", connect_timeout: 2s}}
automation: {automation}
defaults:
  windows_per_run: 4
  partition: {{every: day, start: {first:%Y-%m-%d}}}
measurements: {{{", ".join(f"{name}: {{{ROLLUPS.get(name, '')}}}" for name in MEASUREMENTS)}}}
""",
        encoding="utf-8",
    )
