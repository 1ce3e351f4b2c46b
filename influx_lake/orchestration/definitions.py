"""The Dagster definitions of a lake."""

from __future__ import annotations

import dagster as dg

from influx_lake.config import Automation, Lake
from influx_lake.observing import Observation
from influx_lake.orchestration.alerts.sensors import alert_sensors
from influx_lake.orchestration.assets.measurement_assets import AssetOptions, measurement_assets
from influx_lake.orchestration.assets.overview import overview_assets, overview_job_and_schedule
from influx_lake.orchestration.assets.rollup_assets import rollup_asset
from influx_lake.orchestration.assets.source_assets import source_assets
from influx_lake.orchestration.assets.translation import Translation, with_translated_keys
from influx_lake.orchestration.automation.changed_windows import changed_windows_sensor
from influx_lake.orchestration.automation.conditions import (
    automation_sensor,
    follows_upstream,
    loads_closed_windows,
)
from influx_lake.orchestration.automation.discovery_sensor import Keep, discovery_sensor, marked_if_gone
from influx_lake.orchestration.automation.failed_run_windows import salvage_sensor
from influx_lake.orchestration.automation.freshness_sensor import freshness_sensors
from influx_lake.orchestration.automation.metrics_sensor import metrics_sensor
from influx_lake.orchestration.automation.reconcile_sensor import reconcile_sensor
from influx_lake.orchestration.automation.schedules import jobs_and_schedules
from influx_lake.orchestration.automation.tail_sensor import tail_jobs, tail_sensor
from influx_lake.orchestration.dagster_internals import ManyAssets
from influx_lake.orchestration.execution.io_manager import IcebergIOManager
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.maintenance.assets import maintenance_assets
from influx_lake.orchestration.maintenance.schedules import maintenance_jobs
from influx_lake.orchestration.pools import source_pools
from influx_lake.orchestration.proof.offloading import offload_job
from influx_lake.orchestration.proof.proving import proof_assets, proof_jobs, proof_sensor
from influx_lake.orchestration.requests.requested_windows import requested_windows_sensor
from influx_lake.orchestration.resources import IcebergCatalogResource, SourceResource
from influx_lake.orchestration.restoring import restore_assets, restore_jobs
from influx_lake.orchestration.spark.windows import SparkWindows
from influx_lake.orchestration.splitting.part_runs import part_jobs, parts_sensor
from influx_lake.replication.changes.journal import ChangeJournal


def build_definitions(
    lake: Lake, *, keep: Keep | None = None, translation: Translation | None = None
) -> dg.Definitions:
    """The assets of a lake with their resources, jobs, schedules and sensors. Contacts nothing and reads no secret.

    They have no executor, so that they can be merged with others: a code location has one executor. Use
    `in_process_executor`: a process per step would load all definitions again for every window.

    Args:
        lake: The lake.
        keep: Stores the results of the sensor `discovery`; by default beside the lake.yaml.
        translation: The project's changes to the assets of measurements and roll-ups.
    """
    names, upstream, observation = LakeNames.of(lake), source_assets(lake), Observation.of(lake)
    catalog = IcebergCatalogResource.of(lake.catalog)
    # Other catalogs choose the location of a table themselves.
    warehouse = catalog.properties.get("warehouse") if catalog.properties.get("type") == "sql" else None
    sources = {names.source(name): SourceResource.of(config, lake.root) for name, config in lake.sources.items()}
    automation = lake.operation.automation
    follow, declarative = automation is not Automation.OFF, automation is Automation.DECLARATIVE
    following = follows_upstream() if follow else None
    conditions = {each.path: loads_closed_windows(each) for each in lake.measurements} if declarative else {}
    options = AssetOptions(
        upstream=upstream,
        warehouse=warehouse,
        operation=lake.operation,
        pools=source_pools(lake),
        names=names,
        translation=translation,
        observation=observation,
        pending=ChangeJournal.of(lake.root).pending,
        conditions=conditions,
        spark=SparkWindows(lake),
    )
    tables = measurement_assets([marked_if_gone(lake, each) for each in lake.measurements], options)
    lake = with_translated_keys(lake, (spec for each in tables for spec in each.specs))
    rollups = [
        rollup_asset(each, rollup, warehouse, following, names, translation, observation)
        for each in lake.measurements
        for rollup in each.rollups
    ]
    lake = with_translated_keys(lake, (spec for each in rollups for spec in each.specs))
    jobs, schedules = jobs_and_schedules(lake) if automation is Automation.ON else ([], [])
    tails, overviews, maintenance = tail_jobs(lake), overview_assets(lake), maintenance_assets(lake)
    maintaining, maintenance_schedules = maintenance_jobs(lake, maintenance)
    restores, parts = restore_assets(lake), part_jobs(lake)
    proofs, offload = proof_assets(lake), offload_job(lake)
    proving = proof_jobs(lake, proofs)
    if follow and overviews:
        job, schedule = overview_job_and_schedule(lake, overviews)
        jobs, schedules = [*jobs, job], [*schedules, schedule]
    return dg.Definitions(
        assets=[
            *([ManyAssets(specs=list({spec.key: spec for spec in upstream.values()}.values()))] if upstream else []),
            *overviews,
            *maintenance.values(),
            *restores,
            *proofs.values(),
            *rollups,
            *tables,
        ],
        jobs=[
            *jobs,
            *tails,
            *maintaining,
            *parts,
            *restore_jobs(lake, restores),
            *proving.values(),
            *([offload] if offload else []),
        ],
        schedules=[*schedules, *maintenance_schedules],
        sensors=[
            salvage_sensor(lake),
            *([automation_sensor(lake, overviews)] if follow else []),
            *freshness_sensors(lake),
            *alert_sensors(lake),
            *([handing] if (handing := metrics_sensor(lake)) else []),
            *([sensor] if follow and (sensor := discovery_sensor(lake, keep)) else []),
            *([tail_sensor(lake, tails)] if tails else []),
            *([parts_sensor(lake, parts)] if parts else []),
            *([requested_windows_sensor(lake)] if lake.measurements else []),
            *([changed_windows_sensor(lake)] if lake.measurements and lake.tells_changes else []),
            *([proof_sensor(lake, proving)] if any(each.proof for each in lake.measurements) else []),
            *([reconcile_sensor(lake)] if any(each.reconcile for each in lake.measurements) else []),
        ],
        resources={names.catalog: catalog, names.io_manager: IcebergIOManager(catalog=catalog), **sources},
    )
