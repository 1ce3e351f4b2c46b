"""Windows that were loaded without Dagster show as materialised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from influx_lake.config import Measurement
from influx_lake.orchestration.automation.reporting import report_loaded_windows
from influx_lake.orchestration.keys import asset_key
from influx_lake.replication.window import replicate_window
from influx_lake_tests.unit.orchestration.fakes import START, Lake, cpu, hourly_points


@dataclass
class Declared:
    measurements: tuple[Measurement, ...]


def test_what_the_table_holds_is_reported_once(lake: Lake) -> None:
    measurement = cpu()
    lake.source.points = hourly_points(2)
    catalog = lake.catalog.open()
    for number in (0, 1, 4):
        window = measurement.scheme.window_at(START + timedelta(days=number))
        replicate_window(lake.source, catalog, measurement, window, run_id="cli")
    lake.run(lake.cpu(), key="2026-01-01")

    declared = Declared((measurement, cpu(name="never_loaded")))
    assert report_loaded_windows(lake.instance, declared, catalog) == 2  # type: ignore[arg-type]
    assert report_loaded_windows(lake.instance, declared, catalog) == 0  # type: ignore[arg-type]

    known = lake.instance.get_materialized_partitions(asset_key(measurement))
    assert known == {"2026-01-01", "2026-01-02", "2026-01-05"}
    event = lake.instance.get_latest_materialization_event(asset_key(measurement))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert (event.asset_materialization.partition, metadata["dagster/partition_row_count"].value) == ("2026-01-05", 0)
