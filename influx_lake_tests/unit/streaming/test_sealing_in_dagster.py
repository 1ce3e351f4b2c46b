"""Partitions of streamed measurements are sealed by their assets."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pyiceberg.catalog import Catalog

from influx_lake.iceberg.table_state import table_state
from influx_lake.orchestration.definitions import build_definitions
from influx_lake_tests.unit.streaming.topics import add_all, lake_of, line, stream_of, topics_of


def test_an_asset_of_a_streamed_measurement_seals_its_partition(catalog: Catalog, lake_folder: Path) -> None:
    lake = lake_of(lake_folder)
    topics = topics_of(lake)
    topics.put(0, *(line("cpu", 0, second, usage=1.0) for second in range(10)))
    stream = stream_of(lake, catalog)
    add_all(stream, topics)
    assets = build_definitions(lake).get_repository_def().assets_defs_by_key
    cpu = [assets[dg.AssetKey(["telemetry", "cpu"])]]
    failed = dg.materialize(cpu, partition_key="2026-01-01-12:00", raise_on_error=False)
    (failure,) = (event for event in failed.all_events if event.is_step_failure)
    assert "has never caught up with its topics" in str(failure.step_failure_data.error)
    stream.note_lag(topics)
    done = dg.materialize(cpu, partition_key="2026-01-01-12:00")
    (event,) = done.asset_materializations_for_node("telemetry__cpu")
    assert event.metadata["dagster/partition_row_count"].value == 10
    coverage = table_state(catalog.load_table("telemetry.cpu")).coverage
    assert str(coverage) == "2026-01-01T12:00:00Z/2026-01-01T13:00:00Z"
