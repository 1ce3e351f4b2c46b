"""A late point of last year is in the table within a minute of its write, by a real daemon, with `reconcile: off`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.engine import influx_lake_changes
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite, wait_until
from testbed.influxdb3_core import influxdb3_core
from testbed.processing_engine import ProcessingEngine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

DATABASE = "telemetry"
YEAR_AGO = datetime.now(UTC).replace(day=10, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=400)
PROMISED = 60


def rows_of(catalog: Catalog) -> int:
    table = find_table(catalog, (DATABASE, "cpu"))
    snapshot = table.current_snapshot() if table else None
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0


LAKE = """
sources:
  default: {{host: "{url}", database: telemetry, token: "${{INFLUXDB3_TOKEN}}", changes: {{}}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements: {{cpu: {{reconcile: off, partition: {{every: month, start: "{start:%Y-%m}-01"}}}}}}
"""


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def loaded(folder: Path, url: str, write: Callable[[str, str], object]) -> Catalog:
    """A lake with a point of each month of a year in its table; its catalog."""
    config = folder / "lake.yaml"
    config.write_text(LAKE.format(url=url, start=YEAR_AGO), encoding="utf-8")
    moments = [YEAR_AGO + timedelta(days=30 * month) for month in range(12)]
    write(DATABASE, "\n".join(f"cpu,host=a value=1 {nanoseconds(each)}" for each in moments))
    assert run(["replicate", "cpu", "-c", str(config)]) == 0
    lake = load_lake(config)
    catalog = open_catalog(lake.catalog.name, lake.catalog.properties())
    assert rows_of(catalog) == 12
    return catalog


def test_a_late_point_of_last_year_is_in_the_table_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as box:
        monkeypatch.setenv("INFLUXDB3_TOKEN", box.token or "")
        engine = ProcessingEngine(
            Path(influx_lake_changes.__file__),
            {"database": DATABASE, "source": "default", "younger_than": "300"},
            lambda lines: box.write(DATABASE, lines),
        )
        catalog = loaded(tmp_path, box.url, box.write)
        with DagsterSite(tmp_path):
            late = nanoseconds(YEAR_AGO + timedelta(days=3)) + 7
            box.write(DATABASE, f"cpu,host=late value=2 {late}")
            engine.flush(cpu=[{"host": "late", "value": 2.0, "time": late}])
            wait_until(lambda: rows_of(catalog) == 13, seconds=PROMISED, what="the late point")


@pytest.mark.servers
def test_a_late_point_of_last_year_in_a_real_core_is_in_the_table_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with influxdb3_core(tmp_path / "core") as core:
        monkeypatch.setenv("INFLUXDB3_TOKEN", core.token)
        catalog = loaded(tmp_path, core.url, lambda database, lines: core.write(lines, database))
        assert run(["engine", "install", "-c", str(tmp_path / "lake.yaml")]) == 0
        with DagsterSite(tmp_path):
            for number, days in enumerate((3, 100), 1):
                core.write(f"cpu,host=late value=2 {nanoseconds(YEAR_AGO + timedelta(days=days)) + 7}")
                wait_until(lambda: rows_of(catalog) == 12 + number, seconds=PROMISED, what="the late point")  # noqa: B023
                # What the plugin tells is in the database, whatever becomes of the server.
                core.kill()
                core.start()
