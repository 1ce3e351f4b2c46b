"""Assets of measurements that share a table: their keys, their rows as inputs of others, and what Dagster is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.table import DataScan

from influx_lake.config import Measurement, load_lake
from influx_lake.config.tables.shared_tables import LongOptions, Share
from influx_lake.orchestration.assets.measurement_assets import AssetOptions, measurement_asset
from influx_lake.orchestration.assets.translation import with_translated_keys
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.keys import PATH, SHARE, TABLE
from influx_lake.orchestration.partitions import partitions_for
from influx_lake_tests.unit.orchestration.execution.test_io_manager import COUNTERS
from influx_lake_tests.unit.orchestration.fakes import Lake, cpu, hourly_points


def member(name: str) -> Measurement:
    share = Share("measurement", name)
    return replace(cpu(name=name), table="all_metrics", layout=LongOptions(), share=share)


def asset(measurement: Measurement, translation: Any = None) -> dg.AssetsDefinition:
    partitions = partitions_for(measurement.scheme)
    upstream = dg.AssetSpec(["influxdb", "telemetry", measurement.name], partitions_def=partitions)
    upstreams = {(measurement.source, measurement.name): upstream}
    return measurement_asset(measurement, AssetOptions(upstreams, translation=translation))


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in (pa.Table, duckdb.DuckDBPyRelation, DataScan)]
KINDS = [pl.LazyFrame, *SLOW]


def lake_file(folder: Path) -> Path:
    file = folder / "lake.yaml"
    file.write_text("sources: {default: {host: localhost, database: telemetry}}\n")
    return file


@pytest.fixture
def loaded(lake: Lake) -> Lake:
    lake.source.points = hourly_points(days=2)
    for name in ("cpu", "mem"):
        assert lake.run(asset(member(name)), keys=("2026-01-01", "2026-01-02")).success
    return lake


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("partition", "expected"), [("2026-01-02", 48), (None, 96)])
def test_an_input_is_the_measurements_rows(loaded: Lake, kind: Any, partition: str | None, expected: int) -> None:
    seen: list[int] = []

    def body(cpu: Any) -> None:
        seen.append(COUNTERS[kind](cpu))

    body.__annotations__ = {"cpu": kind, "return": None}
    partitions = partitions_for(cpu().scheme) if partition else None
    ins = {"cpu": dg.AssetIn(["telemetry", "all_metrics", "cpu"])}
    reader = dg.asset(name="reader", partitions_def=partitions, ins=ins)(body)
    assert loaded.run(asset(member("cpu")), reader, key=partition).success
    assert seen == [expected]
    assert len(loaded.rows("telemetry", "all_metrics")) == 192


def test_dagster_is_told_of_the_measurements_rows(loaded: Lake) -> None:
    run = loaded.run(asset(member("mem")), key="2026-01-01")
    told = run.partitions["2026-01-01"]
    assert (told["dagster/partition_row_count"], told["dagster/row_count"]) == (48, 96)


def test_the_key_of_an_asset_is_its_table_and_its_name() -> None:
    [spec] = asset(member("cpu")).specs
    assert spec.key.path == ["telemetry", "all_metrics", "cpu"]
    assert spec.metadata[TABLE] == ["telemetry", "all_metrics"]
    assert spec.metadata[SHARE] == ["measurement", "cpu"]


def test_a_translated_key_is_known_by_the_measurement(tmp_path: Path) -> None:
    def translation(spec: dg.AssetSpec, measurement: Measurement) -> dg.AssetSpec:
        return spec.replace_attributes(key=["lake", measurement.name])

    members = (member("cpu"), member("mem"))
    specs = [spec for each in members for spec in asset(each, translation).specs]
    assert [spec.metadata[TABLE] for spec in specs] == [["telemetry", "all_metrics"]] * 2
    assert specs[0].metadata[PATH] == ["telemetry", "all_metrics", "cpu"]

    lake = load_lake(lake_file(tmp_path))
    known = with_translated_keys(replace(lake, measurements=members), specs)
    assert [each.asset for each in known.measurements] == [("lake", "cpu"), ("lake", "mem")]


def test_the_definitions_of_a_lake_with_shared_tables(tmp_path: Path) -> None:
    file = lake_file(tmp_path)
    options = "{tail: {every: 1m}, checks: {gaps: {enabled: true}}, layout: long}"
    file.write_text(
        file.read_text() + f"defaults: {options}\nmeasurements: {{cpu: {{}}, mem: {{}}, alone: {{layout: wide}}}}\n"
    )
    definitions = build_definitions(load_lake(file))
    keys = {tuple(key.path) for key in definitions.resolve_all_asset_keys()}
    assert {
        ("telemetry", "all_metrics", "cpu"),
        ("telemetry", "all_metrics", "mem"),
        ("telemetry", "alone"),
    } <= keys
    dg.Definitions.validate_loadable(definitions)
