"""A sandbox with a week of four measurements, and the lake.yaml that loads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influx_lake.sandbox import Sandbox

DATABASE = "telemetry"
MEASUREMENTS = ("cpu", "mem", "disk", "net")
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [f"2026-01-0{day}" for day in range(1, 8)]


def rows_of(measurement: str, day: int) -> int:
    """How many points of a measurement a day has: another number for each of them."""
    return 200 + 10 * MEASUREMENTS.index(measurement) + day


def fill(sandbox: Sandbox) -> None:
    """Write the week."""
    for measurement in MEASUREMENTS:
        sandbox.write(DATABASE, "\n".join(_lines(measurement)))


def _lines(measurement: str) -> Iterator[str]:
    for day in range(len(DAYS)):
        rows = rows_of(measurement, day)
        for index in range(rows):
            moment = FIRST_DAY + timedelta(days=day) + timedelta(days=1) * index / rows
            nanoseconds = int(moment.timestamp()) * 10**9
            yield f"{measurement},host=host{index % 5},part=p{index} value={index / 7},count={index}i {nanoseconds}"


def write_lake(folder: Path, sandbox: Sandbox) -> None:
    """The lake.yaml; the token comes from the environment."""
    (folder / "lake.yaml").write_text(
        f"""
sources:
  default: {{host: "{sandbox.url}", database: {DATABASE}, token: "${{INFLUXDB3_TOKEN}}", connect_timeout: 2s}}
defaults:
  partition: {{every: day, start: 2026-01-01}}
measurements: {{{", ".join(f"{name}: {{}}" for name in MEASUREMENTS)}}}
""",
        encoding="utf-8",
    )
