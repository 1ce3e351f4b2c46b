"""What a window costs grows with its fields, not with their square."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import DataScan

from influx_lake.config import InfluxDB3Config, Measurement, load_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.columns.schema import file_schema, iceberg_schema, to_file
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.verify import verify
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.influxdb3.flight import FlightConnection
from influx_lake.sources.influxdb3.profiles import COLUMNS_AT_ONCE

DAY = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))
DAY_NS = 1_767_225_600 * 10**9
LAKE = """\
sources: {{default: {{host: "{url}", database: telemetry, token: "{token}"}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
measurements: {{wide: {{partition: {{start: 2026-01-01}}}}}}
"""
FIELDS = 3 * COLUMNS_AT_ONCE


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[tuple[InfluxDB3Source, Catalog, Measurement]]:
    with Sandbox() as box:
        fields = ",".join(f"f{number:04}={number}.5" for number in range(FIELDS))
        box.write("telemetry", f"wide,host=a {fields} {DAY_NS}\nwide,host=b f0000=1 {DAY_NS + 1}")
        path = tmp_path / "lake.yaml"
        path.write_text(LAKE.format(url=box.url, token=box.token))
        lake = load_lake(path)
        catalog = open_catalog("lake", lake.catalog.properties())
        source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=box.token))
        [measurement] = lake.measurements
        replicate_window(source, catalog, measurement, DAY, run_id="first")
        yield source, catalog, measurement
        source.close()


@pytest.mark.slow
def test_a_profile_plans_the_files_once_and_asks_for_the_columns_in_parts(
    loaded: tuple[InfluxDB3Source, Catalog, Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, catalog, measurement = loaded
    planned, asked = list[object](), list[str]()
    plan_files, table = DataScan.plan_files, FlightConnection.table

    def planning(self: DataScan) -> Any:
        planned.append(self)
        return plan_files(self)

    def asking(self: FlightConnection, sql: str, *more: Any) -> pa.Table:
        asked.append(sql)
        return table(self, sql, *more)

    monkeypatch.setattr(DataScan, "plan_files", planning)
    monkeypatch.setattr(FlightConnection, "table", asking)
    [comparison] = verify(source, catalog, measurement, [DAY], depth=Depth.PROFILE).comparisons
    assert (comparison.source_rows, comparison.changed) == (2, ())
    # The time, the tag and the fields: a column more than three parts hold.
    assert sum("octet_length" in sql or "TRY_CAST" in sql for sql in asked) == FIELDS // COLUMNS_AT_ONCE + 1
    assert len(planned) < 10


@pytest.mark.slow
def test_a_value_that_changed_is_found_in_any_part(
    loaded: tuple[InfluxDB3Source, Catalog, Measurement],
) -> None:
    _, catalog, measurement = loaded
    with Sandbox() as other:
        fields = ",".join(f"f{number:04}={number + number // (FIELDS - 1)}.5" for number in range(FIELDS))
        other.write("telemetry", f"wide,host=a {fields} {DAY_NS}\nwide,host=b f0000=1 {DAY_NS + 1}")
        changed = InfluxDB3Source(InfluxDB3Config(host=other.url, database="telemetry", token=other.token))
        [comparison] = verify(changed, catalog, measurement, [DAY], depth=Depth.PROFILE).comparisons
        changed.close()
    assert comparison.changed == (f"f{FIELDS - 1:04}",)


@pytest.mark.slow
def test_columns_are_put_into_a_file_in_time_that_grows_with_their_number() -> None:
    def rows(width: int) -> pa.RecordBatch:
        times = pa.array([DAY_NS], pa.timestamp("us", "UTC"))
        return pa.RecordBatch.from_pydict({"time": times, **{f"f{number}": [1.0] for number in range(width)}})

    def cost(width: int) -> float:
        batch = rows(width)
        schema = iceberg_schema(batch.schema, "time")
        stored = file_schema(schema, batch.schema)
        return min(_cpu(lambda: to_file([batch], schema, stored)) for _ in range(3))

    # Sixteen times the columns; with a cost that grows with the square it would be 256 times as much.
    assert cost(3200) < 64 * cost(200)


def _cpu(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
