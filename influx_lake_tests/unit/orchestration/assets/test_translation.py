from __future__ import annotations

import dagster as dg
import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.orchestration.assets.measurement_assets import AssetOptions, measurement_asset
from influx_lake.orchestration.keys import IO_MANAGER_KEY
from influx_lake.orchestration.partitions import partitions_for
from influx_lake_tests.unit.orchestration.fakes import Lake, cpu, hourly_points


def bronze(spec: dg.AssetSpec, _: Measurement) -> dg.AssetSpec:
    return spec.replace_attributes(key=spec.key.with_prefix("bronze"))


def test_an_asset_of_another_key_keeps_its_table_and_is_loaded_from_it(lake: Lake) -> None:
    measurement = cpu()
    scheme = partitions_for(measurement.scheme)
    upstream = dg.AssetSpec(["influxdb", "telemetry", "cpu"], partitions_def=scheme)
    translated = measurement_asset(measurement, AssetOptions({("default", "cpu"): upstream}, translation=bronze))

    @dg.asset(
        key=["telemetry", "copy"],
        ins={"points": dg.AssetIn(["bronze", "telemetry", "cpu"])},
        partitions_def=scheme,
        io_manager_key=IO_MANAGER_KEY,
    )
    def copy(points: pa.Table) -> pa.Table:
        return points

    lake.source.points = hourly_points(days=1)
    assert lake.run(translated, key="2026-01-01").success
    assert len(lake.rows("telemetry", "cpu")) == 48

    assert lake.run(translated, copy, key="2026-01-01").success
    assert len(lake.rows("telemetry", "copy")) == 48
