from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

import influx_lake.definitions
from influx_lake.config import Lake, load_lake
from influx_lake.orchestration.assets import source_assets
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.keys import IO_MANAGER_KEY, asset_key
from influx_lake.orchestration.lake_names import UNNAMED, safe_name
from influx_lake.orchestration.pools import pool_limits

LAKE = """
sources:
  default: {host: "http://127.0.0.1:1", database: telemetry, token: "${file:no-such-file}"}
  plant-a: {host: "https://plant.example.com", database: plant, token: apiv3_written-in-the-file}
catalog:
  type: rest
  uri: http://127.0.0.1:1/catalog
  token: ${NO_SUCH_VARIABLE:-${aws-secret:catalog#token}}
  s3.access-key-id: a-key-written-in-the-file
  s3.secret-access-key: another-secret-written-in-the-file
measurements:
  cpu:
    owners: [team:platform, ada@example.com]
    tags: {tier: gold}
    description: How busy each core is.
  mem: {partition: {every: hour, start: 2026-11-01}}
  disk: {partition: {every: hour, start: 2026-11-01}}
  'o''brien "x"': {}
  press: {source: plant-a, namespace: plant.raw, partition: {every: week, start: 2026-01-05, timezone: Europe/Berlin}}
"""


@pytest.fixture
def lake_file(tmp_path: Path) -> Callable[[str], Lake]:
    def write(text: str) -> Lake:
        path = tmp_path / "lake.yaml"
        path.write_text(text)
        return load_lake(path)

    return write


def specs_of(lake: Lake) -> dict[str, dg.AssetSpec]:
    definitions = build_definitions(lake)
    dg.Definitions.validate_loadable(definitions)
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_each_measurement_is_an_asset_below_its_source(lake_file: Callable[[str], Lake]) -> None:
    specs = specs_of(lake_file(LAKE))

    besides = ("influxdb/", "influx_lake/maintenance/", "influx_lake/restore/")
    assert {key for key in specs if not key.startswith(besides)} == {
        "telemetry/cpu",
        "telemetry/disk",
        "telemetry/mem",
        "telemetry/o_brien__x_",
        "plant/raw/press",
        "influx_lake/overview/telemetry",
        "influx_lake/overview/plant",
    }
    assert [dep.asset_key.path for dep in specs["plant/raw/press"].deps] == [["influxdb", "plant", "press"]]
    assert [dep.asset_key.path for dep in specs["telemetry/o_brien__x_"].deps] == [
        ["influxdb", "telemetry", 'o\'brien "x"']
    ]


def test_an_asset_says_what_it_is(lake_file: Callable[[str], Lake]) -> None:
    specs = specs_of(lake_file(LAKE))
    cpu, mem = specs["telemetry/cpu"], specs["telemetry/mem"]

    assert cpu.kinds == {"influxdb", "iceberg"}
    assert cpu.group_name == "telemetry"
    assert list(cpu.owners) == ["team:platform", "ada@example.com"]
    assert cpu.tags["tier"] == "gold"
    assert cpu.description is not None
    assert cpu.description.startswith("How busy each core is.\n\nMeasurement **cpu** ")
    assert cpu.metadata["dagster/table_name"] == "telemetry.cpu"
    assert mem.description is not None
    assert "One partition is one **hour**, in UTC" in mem.description
    assert specs["influxdb/telemetry/cpu"].kinds == {"influxdb"}


def test_the_place_of_a_table_is_told_before_it_is_there(lake_file: Callable[[str], Lake]) -> None:
    unknown, local = (
        specs_of(lake_file(LAKE)),
        specs_of(lake_file(re.sub(r"(?s)catalog:.*?measurements:", "measurements:", LAKE))),
    )

    assert "dagster/uri" not in unknown["plant/raw/press"].metadata
    uri = Path(local["plant/raw/press"].metadata["dagster/uri"])
    assert uri.parts[-4:] == (".lake", "warehouse", "plant.raw", "press")
    assert uri.is_absolute()


def test_source_and_table_share_one_definition_of_partitions(lake_file: Callable[[str], Lake]) -> None:
    specs = specs_of(lake_file(LAKE))

    hourly = specs["telemetry/mem"].partitions_def
    assert hourly is specs["telemetry/disk"].partitions_def
    assert hourly is specs["influxdb/telemetry/mem"].partitions_def
    press = specs["plant/raw/press"].partitions_def
    assert isinstance(press, dg.TimeWindowPartitionsDefinition)
    assert (press.cron_schedule, press.timezone) == ("0 0 * * 1", "Europe/Berlin")


def test_a_lake_of_many_measurements_begins_at_its_databases(
    lake_file: Callable[[str], Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_file(LAKE)
    monkeypatch.setattr(source_assets, "MEASUREMENTS_SHOWN", len(lake.measurements) - 1)

    specs = specs_of(lake)

    in_sources = {key: spec for key, spec in specs.items() if key.startswith("influxdb/")}
    assert in_sources.keys() == {"influxdb/telemetry", "influxdb/plant"}
    assert all(spec.partitions_def is None and spec.kinds == {"influxdb"} for spec in in_sources.values())
    assert [dep.asset_key.path for dep in specs["telemetry/mem"].deps] == [["influxdb", "telemetry"]]
    assert [dep.asset_key.path for dep in specs["plant/raw/press"].deps] == [["influxdb", "plant"]]


def test_two_servers_may_have_the_same_database(lake_file: Callable[[str], Lake]) -> None:
    lake = lake_file(
        """
        sources: {a: {host: "a:1", database: db}, b: {host: "b:1", database: db}}
        measurements: {cpu_a: {source: a, measurement: cpu}, cpu_b: {source: b, measurement: cpu}}
        """
    )

    specs = specs_of(lake)

    assert {"influxdb/a/db/cpu", "influxdb/b/db/cpu"} <= specs.keys()


def test_runs_stay_in_one_process_and_backfills_in_chunks(lake_file: Callable[[str], Lake]) -> None:
    definitions = build_definitions(
        lake_file(LAKE.replace("measurements:", "measurements:\n  all: {windows_per_run: all}"))
    )

    jobs = definitions.get_repository_def().get_all_jobs()

    assert {job.executor_def for job in jobs if job.name != "__ASSET_JOB"} == {dg.in_process_executor}
    assert definitions.executor is None  # A code location has one, and this lake may be one part of it.
    assets = definitions.resolve_asset_graph()
    assert assets.get(dg.AssetKey(["telemetry", "cpu"])).backfill_policy == dg.BackfillPolicy.multi_run(30)
    assert assets.get(dg.AssetKey(["telemetry", "mem"])).backfill_policy == dg.BackfillPolicy.multi_run(48)
    assert assets.get(dg.AssetKey(["telemetry", "all"])).backfill_policy == dg.BackfillPolicy.single_run()
    assert assets.get(dg.AssetKey(["telemetry", "cpu"])).pools == {"influxdb_default"}


def test_each_asset_is_in_the_pool_of_its_own_source(lake_file: Callable[[str], Lake]) -> None:
    lake = lake_file(
        """
        sources:
          default: {host: "a:1", database: telemetry}
          archive: {host: "b:1", database: old}
          plant: {host: "c:1", database: [north, south]}
        pools: {influxdb: 4, sources: {archive: 1, plant: 2}}
        measurements:
          cpu: {partition: {start: 2025-01-01}, history: {source: archive, until: 2026-01-01}}
          mem: {source: archive}
          north_press: {source: plant/north, measurement: press}
          south_press: {source: plant/south, measurement: press}
        """
    )
    assets = build_definitions(lake).resolve_asset_graph()

    pools = {each.key: assets.get(asset_key(each)).pools for each in lake.measurements}

    assert pools == {
        "cpu": {"influxdb_default"},
        "mem": {"influxdb_archive"},
        # Databases of one server.
        "north_press": {"influxdb_plant"},
        "south_press": {"influxdb_plant"},
    }
    assert pool_limits(lake) == {"influxdb_default": 4, "influxdb_archive": 1, "influxdb_plant": 2}


def test_names_that_dagster_would_refuse_stay_apart() -> None:
    names = {safe_name(name) for name in ("a b", "a-b", "a_b", "a.b", "ä")}

    assert len(names) == 5
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)
    assert safe_name("a_b") == "a_b"


def test_what_dagster_stores_of_the_definitions_holds_no_secret(lake_file: Callable[[str], Lake]) -> None:
    repository = build_definitions(lake_file(LAKE)).get_repository_def()

    stored = dg.serialize_value(RepositorySnap.from_def(repository))

    assert "${file:no-such-file}" in stored
    assert "written-in-the-file" not in stored


def test_a_secret_that_is_written_in_the_file_still_reaches_its_server(lake_file: Callable[[str], Lake]) -> None:
    lake = lake_file(LAKE)
    resources = build_definitions(lake).resources or {}

    assert resources[UNNAMED.source("plant-a")].config().token.reveal() == "apiv3_written-in-the-file"
    catalog = resources[IO_MANAGER_KEY].catalog.config()
    assert catalog.entries["s3.secret-access-key"].reveal() == "another-secret-written-in-the-file"


@pytest.mark.parametrize(("said", "holds"), [(None, "50"), ("7", "7")])
def test_runs_write_events_in_batches_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: str | None, holds: str
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", said or "")
    if said is None:
        monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    importlib.reload(influx_lake.definitions)
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == holds


HEAVY = {"pyiceberg", "pyarrow", "influxdb_client_3", "dagster_aws", "boto3", "duckdb", "datafusion"}
LOADING = """
import json, sys, time
from influx_lake.definitions import defs
repository = defs().get_repository_def()
modules = {name.partition(".")[0] for name in sys.modules}
json.dump([len(repository.assets_defs_by_key), time.process_time(), sorted(modules)], sys.stdout)
"""


def loaded_with(measurements: int, folder: Path) -> tuple[int, float, set[str]]:
    """What a process that loads so many measurements has: assets, seconds of CPU, and packages."""
    names = "\n".join(f"  measurement_{number}: {{partition: {{every: hour}}}}" for number in range(measurements))
    (folder / "lake.yaml").write_text(LAKE.replace("measurements:", f"measurements:\n{names}"))
    done = subprocess.run([sys.executable, "-c", LOADING], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assets, seconds, modules = json.loads(done.stdout)
    # Each with its source, an overview of each of two databases, the kinds of maintenance, and restores by partitions.
    assert assets == (measurements + 5) * 2 + 2 + 5 + 4
    return assets, seconds, set(modules)


def test_definitions_need_no_server_and_no_heavy_import(tmp_path: Path) -> None:
    _, _, modules = loaded_with(10, tmp_path)
    assert HEAVY.isdisjoint(modules)


@pytest.mark.slow
def test_a_thousand_measurements_load_in_time_that_grows_with_their_number(tmp_path: Path) -> None:
    seconds = {number: loaded_with(number, tmp_path)[1] for number in (10, 500, 1000)}
    # On top of what Dagster takes to be imported; the machine's other work counts for some of it.
    assert seconds[1000] - seconds[10] < 4 * (seconds[500] - seconds[10])
