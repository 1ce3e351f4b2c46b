from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.defs.quiet_hosts import hosts_of, quiet_hosts
from influx_lake.orchestration.location import current_lake
from influx_lake_tests.unit.orchestration.fakes import START, Lake, cpu


def test_a_host_that_says_less_than_the_others_is_a_row(lake: Lake) -> None:
    moments = {host: range(20 if host < 9 else 3) for host in range(10)}
    lake.source.points = [
        (START + timedelta(days=day, minutes=minute), f"host{host}", 1.0)
        for day in range(2)
        for host, minutes in moments.items()
        for minute in minutes
    ]
    assert lake.run(lake.cpu(), keys=("2026-01-01", "2026-01-02")).success

    run = lake.run(lake.cpu(), hosts_of(cpu()), key="2026-01-02")

    assert run.success
    last = START + timedelta(days=1, minutes=2)
    assert lake.rows("telemetry", "quiet_hosts") == [{"host": "host9", "time": last, "points": 3}]
    assert run.partitions["2026-01-02"]["dagster/partition_row_count"] == 1


@pytest.mark.parametrize(("measurement", "expected"), [("cpu", ["telemetry/quiet_hosts"]), ("mem", [])])
def test_the_example_is_there_when_the_lake_has_cpu(
    measurement: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake.yaml").write_text(
        f"sources: {{default: {{host: localhost, database: telemetry}}}}\nmeasurements: {{{measurement}: {{}}}}"
    )
    monkeypatch.setenv("INFLUX_LAKE_CONFIG", str(tmp_path / "lake.yaml"))
    current_lake.cache_clear()

    try:
        definitions: dg.Definitions = quiet_hosts()
    finally:
        current_lake.cache_clear()

    assert [asset.key.to_user_string() for asset in definitions.assets or []] == expected
