from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.defs.cpu_hourly import hourly_roll_up, roll_up
from influx_lake.orchestration.location import current_lake
from influx_lake_tests.unit.orchestration.fakes import START, Lake, cpu, hourly_points


def test_each_hour_of_each_series_becomes_a_row(lake: Lake) -> None:
    lake.source.points = hourly_points(days=2, per_hour=4)
    assert lake.run(lake.cpu(), keys=("2026-01-01", "2026-01-02")).success

    run = lake.run(lake.cpu(), roll_up(cpu()), key="2026-01-02")

    assert run.success
    rows = lake.rows("telemetry", "cpu_hourly")
    assert len(rows) == 24 * 2
    first = next(row for row in rows if row["host"] == "host0")
    # Points 96 and 98 of the sequence are the first of the second day on host0.
    assert first == {"time": START + timedelta(days=1), "host": "host0", "usage": 97.0, "points": 2}
    assert run.partitions["2026-01-02"]["dagster/partition_row_count"] == 48


@pytest.mark.parametrize(("measurement", "expected"), [("cpu", ["telemetry/cpu_hourly"]), ("mem", [])])
def test_the_example_is_there_when_the_lake_has_cpu(
    measurement: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake.yaml").write_text(
        f"sources: {{default: {{host: localhost, database: telemetry}}}}\nmeasurements: {{{measurement}: {{}}}}"
    )
    monkeypatch.setenv("INFLUX_LAKE_CONFIG", str(tmp_path / "lake.yaml"))
    current_lake.cache_clear()

    try:
        definitions: dg.Definitions = hourly_roll_up()
    finally:
        current_lake.cache_clear()

    assert [asset.key.to_user_string() for asset in definitions.assets or []] == expected
