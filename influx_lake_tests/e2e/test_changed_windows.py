"""A late point of last year is in the table within a minute of its write, by a real daemon, with `reconcile: off`."""

from __future__ import annotations

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
from testbed.processing_engine import ProcessingEngine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

DATABASE = "telemetry"
YEAR_AGO = datetime.now(UTC).replace(day=10, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=400)
PROMISED = 60


def rows_of(catalog: Catalog) -> int:
    table = find_table(catalog, (DATABASE, "cpu"))
    snapshot = table.current_snapshot() if table else None
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0


def test_a_late_point_of_last_year_is_in_the_table_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as box:
        monkeypatch.setenv("INFLUXDB3_TOKEN", box.token or "")
        (tmp_path / "lake.yaml").write_text(
            f"""
sources:
  default: {{host: "{box.url}", database: {DATABASE}, token: "${{INFLUXDB3_TOKEN}}", changes: {{}}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements: {{cpu: {{reconcile: off, partition: {{every: month, start: "{YEAR_AGO:%Y-%m}-01"}}}}}}
""",
            encoding="utf-8",
        )
        moments = [YEAR_AGO + timedelta(days=30 * month) for month in range(12)]
        box.write(DATABASE, "\n".join(f"cpu,host=a value=1 {int(each.timestamp())}000000000" for each in moments))
        engine = ProcessingEngine(
            Path(influx_lake_changes.__file__),
            {"database": DATABASE, "source": "default", "younger_than": "300"},
            lambda lines: box.write(DATABASE, lines),
        )
        lake = load_lake(tmp_path / "lake.yaml")
        catalog = open_catalog(lake.catalog.name, lake.catalog.properties())
        assert run(["replicate", "cpu", "-c", str(tmp_path / "lake.yaml")]) == 0
        assert rows_of(catalog) == 12
        with DagsterSite(tmp_path):
            late = int((YEAR_AGO + timedelta(days=3)).timestamp()) * 10**9 + 7
            box.write(DATABASE, f"cpu,host=late value=2 {late}")
            engine.flush(cpu=[{"host": "late", "value": 2.0, "time": late}])
            wait_until(lambda: rows_of(catalog) == 13, seconds=PROMISED, what="the late point")
