"""Windows that were loaded without Dagster show as materialised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from influx_lake.config import Measurement, load_lake
from influx_lake.errors import LakeError, SourceUnavailable
from influx_lake.orchestration.assets.translation import with_translated_keys
from influx_lake.orchestration.automation.external_loads import report_loaded_windows
from influx_lake.orchestration.automation.first_checks import report_first_checks
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.keys import asset_key, rollup_key
from influx_lake.replication.window import replicate_window
from influx_lake.rollups.window import roll_up_window
from influx_lake_tests.unit.orchestration.assets.test_rollup_assets import HOURLY
from influx_lake_tests.unit.orchestration.fakes import START, FakeSource, Lake, cpu, hourly_points


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


def test_a_window_is_reported_with_the_figures_of_its_load(lake: Lake) -> None:
    measurement = replace(cpu(), rollups=(HOURLY,))
    lake.source.points = hourly_points(1)
    catalog, window = lake.catalog.open(), measurement.scheme.window_at(START)
    replicate_window(lake.source, catalog, measurement, window, run_id="first")
    loaded = replicate_window(lake.source, catalog, measurement, window, run_id="again")
    computed = roll_up_window(catalog, measurement, HOURLY, window, run_id="again")

    assert report_loaded_windows(lake.instance, Declared((measurement,)), catalog) == 2  # type: ignore[arg-type]

    told = metadata_of(lake, asset_key(measurement))
    assert told["dagster/row_count"].value == told["dagster/partition_row_count"].value == 48
    assert (told["run"].value, told["previous_rows"].value, told["files"].value) == ("again", 48, 1)
    assert told["snapshot_id"].value == str(loaded.snapshot_id)
    assert told["lag_seconds"].value > 0
    schema = told["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert {column.name: list(column.tags) for column in schema.columns} == {
        "time": ["time"],
        "host": ["tag"],
        "usage": ["field"],
    }
    assert metadata_of(lake, rollup_key(HOURLY))["snapshot_id"].value == str(computed.snapshot_id)


def test_windows_are_recorded_under_the_keys_of_a_translation(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text(
        "sources: {default: {host: h, database: telemetry}}\nmeasurements: {cpu: {rollups: {hourly: {every: 1h}}}}"
    )
    declared = load_lake(tmp_path / "lake.yaml")
    [measurement] = declared.measurements
    [rollup] = measurement.rollups
    lake.source.points = hourly_points(1)
    catalog, window = lake.catalog.open(), measurement.scheme.window_at(START)
    replicate_window(lake.source, catalog, measurement, window, run_id="cli")
    roll_up_window(catalog, measurement, rollup, window, run_id="cli")

    def bronze(spec: dg.AssetSpec, _: Measurement) -> dg.AssetSpec:
        return spec.replace_attributes(key=spec.key.with_prefix("bronze"))

    specs = build_definitions(declared, translation=bronze).resolve_all_asset_specs()
    keyed = with_translated_keys(declared, specs)

    assert report_loaded_windows(lake.instance, keyed, catalog) == 2
    for table in ("cpu", "cpu_hourly"):
        assert lake.instance.get_materialized_partitions(dg.AssetKey(["bronze", "telemetry", table])) == {"2026-01-01"}


def test_checks_that_were_never_done_are_done_once(lake: Lake) -> None:
    measurement = cpu()
    lake.source.points = hourly_points(1)
    catalog = lake.catalog.open()
    replicate_window(lake.source, catalog, measurement, measurement.scheme.window_at(START), run_id="cli")
    lake.source.points.pop()
    declared = Declared((measurement, cpu(name="never_loaded")))

    def report() -> tuple[int, list[LakeError]]:
        return report_first_checks(lake.instance, declared, catalog, lambda name: lake.source)  # type: ignore[arg-type]

    assert report() == (4, [])
    assert report() == (0, [])
    key = dg.AssetCheckKey(asset_key(measurement), "source_equals_lake")
    [record] = lake.instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert record.status is AssetCheckExecutionRecordStatus.FAILED, "the source has a row less than the table"


def test_a_source_that_is_away_is_asked_once(lake: Lake) -> None:
    measurements = (cpu(), cpu(name="other"))
    catalog, asked = lake.catalog.open(), list[str]()
    for each in measurements:
        lake.source.points = hourly_points(1)
        replicate_window(lake.source, catalog, each, each.scheme.window_at(START), run_id="cli")

    def away(name: str) -> FakeSource:
        asked.append(name)
        raise SourceUnavailable("nothing answers", remedy="Start it")

    recorded, failures = report_first_checks(lake.instance, Declared(measurements), catalog, away)  # type: ignore[arg-type]
    assert (recorded, len(failures), asked) == (0, 1, ["default"])


def metadata_of(lake: Lake, key: dg.AssetKey) -> Mapping[str, dg.MetadataValue]:
    event = lake.instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata
