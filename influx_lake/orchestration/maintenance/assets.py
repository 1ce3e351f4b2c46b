"""Each kind of maintenance as an asset: materialising it maintains the tables, and its page plots the results."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from influx_lake.config import Lake, Measurement
from influx_lake.config.maintenance.options import Kind
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import as_failure, failing_clearly
from influx_lake.orchestration.lake_names import LakeNames, safe_name
from influx_lake.orchestration.pool_slots import Pool, slot
from influx_lake.orchestration.pools import table_pool
from influx_lake.orchestration.resources import catalog_of

if TYPE_CHECKING:
    from influx_lake.maintenance.maintain_tables import Outcome

GROUP = "maintenance"
_MEANINGS = {
    Kind.COMPACT: "Rewrites small files together, the rows the same.",
    Kind.EXPIRE_SNAPSHOTS: "Drops old snapshots, and the files that only they have. Those of branches and tags stay.",
    Kind.REMOVE_ORPHANS: "Removes files that no snapshot has: of loads that died, of commits that lost.",
    Kind.REWRITE_MANIFESTS: "Rewrites small manifests together, so that queries are planned faster.",
    Kind.METADATA: "Removes metadata files of earlier states.",
    Kind.RETENTION: "Drops rows that are older than `retention` keeps them.",
    Kind.STATISTICS: "Counts distinct values, for the planners of other engines.",
}


class MaintenanceConfig(dg.Config):
    """The configuration of a run."""

    measurements: list[str] = Field(
        default=[], description="Only the tables of these, by their names in lake.yaml. Default: every table."
    )
    dry_run: bool = Field(default=False, description="Only find out what would be done, and tell it in the run's log.")


def maintenance_assets(lake: Lake) -> dict[Kind, dg.AssetsDefinition]:
    """An asset for each kind of maintenance that a table of the lake has."""
    declared = [
        maintenance
        for each in lake.measurements
        for maintenance in (each.maintenance, *(rollup.maintenance for rollup in each.rollups))
        if maintenance is not None
    ]
    kinds = {kind for kind in Kind if any(each.of(kind) is not None for each in declared)}
    if any(each.retention is not None for each in lake.measurements):
        kinds.add(Kind.RETENTION)
    return {kind: _asset(lake, kind) for kind in Kind if kind in kinds}


def _asset(lake: Lake, kind: Kind) -> dg.AssetsDefinition:
    names = LakeNames.of(lake)
    spec = dg.AssetSpec(
        ["influx_lake", "maintenance", *names.placed(str(kind))],
        description=f"{_MEANINGS[kind]} Materialising it does that to every table that needs it; with the "
        "configuration `dry_run: true` it is only told. The plots are the figures of all tables before and after; "
        "those of one table are on its own page.",
        group_name=GROUP,
        kinds={"iceberg"},
        tags=names.tags,
        # A dry run materialises nothing.
        skippable=True,
    )

    @dg.multi_asset(name=safe_name("__".join(spec.key.path)), specs=[spec], required_resource_keys={names.catalog})
    def maintain(context: dg.AssetExecutionContext, config: MaintenanceConfig) -> Iterator[dg.MaterializeResult[None]]:
        with failing_clearly(), warnings_in(context.log, context.instance):
            yield from _maintained(context, lake, kind, config)

    return maintain


def _maintained(
    context: dg.AssetExecutionContext, lake: Lake, kind: Kind, config: MaintenanceConfig
) -> Iterator[dg.MaterializeResult[None]]:
    """Do one kind of maintenance on all tables, and fail afterwards if one failed.

    Raises:
        Failure: The maintenance of a table failed.
    """
    from influx_lake.maintenance.engines.opening import Engines
    from influx_lake.maintenance.maintain_tables import maintain
    from influx_lake.maintenance.tables import tables_of
    from influx_lake.orchestration.maintenance.figures import observations, page, totals

    names, limit = LakeNames.of(lake), lake.operation.pools.table
    catalog = catalog_of(context, names)
    outcomes = list["Outcome"]()
    with Engines(lake.engines, lake.catalog.name) as engines:
        for table in tables_of(lake, _chosen(lake, config)):
            if table.options(kind) is None:
                continue
            # Loads of the measurement's table use that pool; loads of roll-ups use none.
            pool = Pool(table_pool(table.measurement, names), limit) if limit and table.rollup is None else None
            with slot(context.log, pool) if pool else nullcontext():
                for outcome in maintain(
                    catalog, [table], [kind], run_id=context.run_id, dry_run=config.dry_run, engines=engines
                ):
                    outcomes.append(outcome)
                    _tell(context, outcome)
                    for observation in observations(outcome):
                        context.log_event(observation)
    facts = {**totals(outcomes), "tables": page(outcomes)}
    failed = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    if config.dry_run:
        context.log_event(
            dg.AssetObservation(context.asset_key, description="A dry run: nothing was done.", metadata=facts)
        )
    elif not failed:
        yield dg.MaterializeResult(asset_key=context.asset_key, metadata=facts)
    if failed:
        raise as_failure(next((each for each in failed if not each.transient), failed[0]))


def _chosen(lake: Lake, config: MaintenanceConfig) -> list[Measurement] | None:
    return [lake.find(name) for name in config.measurements] or None


def _tell(context: dg.AssetExecutionContext, outcome: "Outcome") -> None:
    if outcome.failure is not None:
        context.log.warning(str(as_failure(outcome.failure).description))
        return
    context.log.info(outcome.summary)
