"""Maintenance in Dagster: runs that do it, figures that plot, schedules that start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from influx_lake.config.maintenance.options import Kind
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.maintenance.assets import maintenance_assets
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_reliable_source
from influx_lake_tests.integration.orchestration.automated_lake import DAY, START, AutomatedLake
from testbed.waiting import wait_until

Lakes = Callable[..., AutomatedLake]
CPU = dg.AssetKey(["telemetry", "cpu"])
KEEP_ONE = {"maintenance": {"expire_snapshots": {"older_than": "0s", "keep_last": 1}}}
EXPIRE = dg.AssetKey(["influx_lake", "maintenance", "expire_snapshots"])


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def lakes(box: Sandbox, tmp_path: Path) -> Iterator[Lakes]:
    with dg.instance_for_test() as instance:

        def make(**options: Any) -> AutomatedLake:
            lake = AutomatedLake(box, tmp_path, instance, options)
            lake.write(1, 2, 3)
            return lake

        yield make


def load(lake: AutomatedLake, name: str = "cpu", *days: int) -> None:
    """Load days of January, without Dagster: it is not what is looked at."""
    measurement, catalog = lake.measurement(name), open_catalog("lake", lake.lake.catalog.properties())
    with closing(open_reliable_source(lake.lake.source("default"))) as source:
        for day in days or (1, 2, 3):
            start = START + (day - 1) * DAY
            replicate_window(source, catalog, measurement, Window(start, start + DAY), run_id="test")


def maintain(
    lake: AutomatedLake, kind: Kind, tags: Mapping[str, str] | None = None, **config: Any
) -> dg.ExecuteInProcessResult:
    [op] = {asset.op.name for asset in [maintenance_assets(lake.lake)[kind]]}
    return lake.repository.get_job(f"maintain_{kind}").execute_in_process(
        instance=lake.instance,
        run_config={"ops": {op: {"config": config}}},
        tags=dict(tags or {}),
        raise_on_error=False,
    )


def values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


def snapshots(lake: AutomatedLake, table: str = "telemetry.cpu") -> int:
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    return len(catalog.load_table(table).metadata.snapshots)


def test_a_run_maintains_every_table_and_its_figures_plot(lakes: Lakes) -> None:
    lake = lakes(defaults=KEEP_ONE)
    load(lake)
    load(lake, "mem", 1)

    result = maintain(lake, Kind.EXPIRE_SNAPSHOTS)

    assert result.success
    [event] = [each for each in result.get_asset_materialization_events() if each.asset_key == EXPIRE]
    totals = values(event.materialization.metadata)
    assert (totals["tables_maintained"], totals["tables_changed"]) == (2, 1)
    assert (totals["snapshots_before"], totals["snapshots_after"], totals["snapshots_expired"]) == (4, 2, 2)
    assert "| telemetry.cpu | 3 | 3 |" in totals["tables"]
    assert snapshots(lake) == 1
    # On the page of the table too, where it says how the table became so.
    [observed] = [each for each in result.get_asset_observation_events() if each.asset_key == CPU]
    figures = values(observed.asset_observation_data.asset_observation.metadata)
    assert (figures["maintenance"], figures["snapshots_before"], figures["snapshots_after"]) == (
        "expire_snapshots",
        3,
        1,
    )
    # Nothing is due any more, and nothing is told of the table.
    again = maintain(lake, Kind.EXPIRE_SNAPSHOTS)
    assert again.success
    assert not again.get_asset_observation_events()


def test_a_dry_run_does_nothing_and_materialises_nothing(lakes: Lakes) -> None:
    lake = lakes(defaults=KEEP_ONE)
    load(lake)

    result = maintain(lake, Kind.EXPIRE_SNAPSHOTS, dry_run=True)

    assert result.success
    assert not result.get_asset_materialization_events()
    [told] = [each.asset_observation_data.asset_observation for each in result.get_asset_observation_events()]
    assert told.asset_key == EXPIRE
    assert values(told.metadata)["snapshots_expired"] == 2
    assert snapshots(lake) == 3


def test_what_fails_of_one_table_keeps_no_other_from_it(lakes: Lakes) -> None:
    lake = lakes(defaults=KEEP_ONE)
    load(lake)
    # Somebody else's, which the lake was told of by mistake.
    catalog = open_catalog("lake", lake.lake.catalog.properties())
    catalog.create_table("telemetry.mem", catalog.load_table("telemetry.cpu").schema())

    result = maintain(lake, Kind.EXPIRE_SNAPSHOTS)

    assert not result.success
    failure = result.failure_data_for_node("influx_lake__maintenance__expire_snapshots")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description is not None
    assert failure.user_failure_data.description.startswith(
        "measurement mem: the table telemetry.mem was not loaded by influx-lake; nothing was done to it."
    )
    assert snapshots(lake) == 1


def test_only_some_measurements(lakes: Lakes) -> None:
    lake = lakes(defaults=KEEP_ONE)
    load(lake, "cpu", 1, 2)
    load(lake, "mem", 1, 2)

    assert maintain(lake, Kind.EXPIRE_SNAPSHOTS, measurements=["mem"]).success

    assert (snapshots(lake), snapshots(lake, "telemetry.mem")) == (2, 1)


def test_it_waits_for_a_place_in_the_pool_of_the_tables_loads(lakes: Lakes) -> None:
    lake = lakes(defaults=KEEP_ONE, pools={"table": 1})
    load(lake)
    storage, pool = lake.instance.event_log_storage, "table__telemetry__cpu"
    storage.set_concurrency_slots(pool, 1)
    assert storage.claim_concurrency_slot(pool, "a-load", "telemetry__cpu").is_claimed

    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(maintain, lake, Kind.EXPIRE_SNAPSHOTS)
        wait_until(lambda: storage.get_concurrency_info(pool).pending_step_count, "it waits for the load")
        assert snapshots(lake) == 3
        storage.free_concurrency_slot_for_step("a-load", "telemetry__cpu")
        assert run.result().success

    assert snapshots(lake) == 1
    assert storage.get_concurrency_info(pool).active_slot_count == 0


def test_schedules_start_it_when_lake_yaml_says_unless_it_runs_still(lakes: Lakes) -> None:
    lake = lakes(
        defaults={"maintenance": {"statistics": "off", "metadata": "off"}},
        maintenance={"schedules": {"compact": "5 */6 * * *", "rewrite_manifests": "off"}, "timezone": "Europe/Berlin"},
    )
    schedules = {each.name: each for each in lake.repository.schedule_defs if each.name.startswith("maintain_")}
    assert sorted(schedules) == [
        "maintain_compact_schedule",
        "maintain_expire_snapshots_schedule",
        "maintain_remove_orphans_schedule",
    ]
    compact = schedules["maintain_compact_schedule"]
    assert (compact.cron_schedule, compact.execution_timezone) == ("5 */6 * * *", "Europe/Berlin")
    assert compact.default_status is dg.DefaultScheduleStatus.RUNNING
    # What no schedule starts, somebody may.
    assert lake.repository.has_job("maintain_rewrite_manifests")
    assert not lake.repository.has_job("maintain_metadata")

    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert len(lake.tick(now, "maintain_compact_schedule")) == 1
    lake.instance.create_run_for_job(lake.repository.get_job("maintain_compact"), status=dg.DagsterRunStatus.STARTED)
    assert lake.tick(now, "maintain_compact_schedule") == []


def test_they_are_stopped_where_automation_is_off(lakes: Lakes) -> None:
    lake = lakes(automation="off")
    [compact] = [each for each in lake.repository.schedule_defs if each.name == "maintain_compact_schedule"]
    assert compact.default_status is dg.DefaultScheduleStatus.STOPPED
