"""Restores windows of measurements to InfluxDB or files: an asset and a job for each scheme."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import Scheme, Window
from influx_lake.orchestration.automation.schedules import scheme_name
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.lake_names import LakeNames, safe_name
from influx_lake.orchestration.partition_events import Facts, describe_partition
from influx_lake.orchestration.partitions import partitions_for, window_of
from influx_lake.orchestration.pool_slots import slot
from influx_lake.orchestration.pools import source_pool
from influx_lake.orchestration.resources import SourceResource, asked_source_of, catalog_of, source_of
from influx_lake.orchestration.tags import subject_tags
from influx_lake.restore.targets.compression import Packing

if TYPE_CHECKING:
    from influx_lake.restore.destination import Destination
    from influx_lake.restore.options import RestoreOptions
    from influx_lake.restore.outcome import Restored

GROUP = "restore"


class RestoreConfig(dg.Config):
    """The configuration of a run."""

    measurement: str | None = Field(default=None, description="The measurement, by its name in lake.yaml.")
    to: str | None = Field(
        default=None,
        description="A source of the lake, whose InfluxDB gets the points; or a folder, below that of the lake.yaml.",
    )
    as_name: str | None = Field(
        default=None, alias="as", description="What the measurement is called there. Default: as in the source."
    )
    snapshot: str | None = Field(
        default=None, description="The rows of this snapshot: its id, a tag or a time. Default: what readers get."
    )
    as_stored: bool = Field(default=False, description="Undo no transform: write what the table has.")
    into_source: bool = Field(
        default=False, description="Write also among points that are where the lake is loaded from."
    )
    again: bool = Field(default=False, description="Start over instead of resuming a restore that was stopped.")
    check: bool = Field(default=True, description="Read everything back, and compare it value by value.")
    concurrency: int = Field(default=4, ge=1, le=64, description="Requests at once.")
    points_per_second: float | None = Field(default=None, gt=0, description="At most so many points in a second.")
    compression: str = Field(default="gzip", description="How files are packed: gzip, zstd or none.")


def restore_assets(lake: Lake) -> list[dg.AssetsDefinition]:
    """An asset for each scheme of the lake's measurements; its partitions are the windows that can be restored."""
    of_scheme: dict[Scheme, list[Measurement]] = {}
    for measurement in lake.measurements:
        of_scheme.setdefault(measurement.scheme, []).append(measurement)
    return [_asset(lake, scheme, of) for scheme, of in of_scheme.items()]


def restore_jobs(lake: Lake, assets: list[dg.AssetsDefinition]) -> "list[dg.UnresolvedAssetJobDefinition]":
    """The jobs of these assets."""
    names = LakeNames.of(lake)
    return [
        dg.define_asset_job(
            names.scoped(f"restore_{asset.key.path[-1]}"),
            selection=dg.AssetSelection.assets(asset),
            executor_def=dg.in_process_executor,
            tags=names.tags,
            description="Writes windows of a measurement back into InfluxDB, or into files of line protocol.",
        )
        for asset in assets
    ]


def _asset(lake: Lake, scheme: Scheme, measurements: list[Measurement]) -> dg.AssetsDefinition:
    names = LakeNames.of(lake)
    shown = ", ".join(each.key for each in measurements[:5]) + (", ..." if len(measurements) > 5 else "")
    spec = dg.AssetSpec(
        ["influx_lake", "restore", *names.placed(scheme_name(scheme))],
        description="Materialising partitions writes the points that the lake has of them back into InfluxDB, or into "
        f"files of line protocol, and reads them back. The run's configuration names the measurement ({shown}) and "
        "where the points go; a failed run resumes where it stopped.",
        group_name=GROUP,
        kinds={"iceberg", "influxdb"},
        tags=names.tags,
        # Without configuration nothing is restored, as when all assets are materialised together.
        skippable=True,
    )

    @dg.multi_asset(
        name=safe_name("__".join(spec.key.path)),
        specs=[spec],
        partitions_def=partitions_for(scheme),
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={names.catalog, *(names.source(source) for source in lake.sources)},
    )
    def restore(context: dg.AssetExecutionContext, config: RestoreConfig) -> Iterator[dg.MaterializeResult[None]]:
        with failing_clearly(), warnings_in(context.log, context.instance):
            if config.measurement is None and config.to is None:
                context.log.info(
                    "nothing is restored: the run's configuration names no measurement, and no place for it"
                )
                return
            yield from _restored(context, lake, scheme, config)

    return restore


def _restored(
    context: dg.AssetExecutionContext, lake: Lake, scheme: Scheme, config: RestoreConfig
) -> Iterator[dg.MaterializeResult[None]]:
    """Restore the windows of the run's partitions.

    Raises:
        Failure: Points were refused, or the target does not hold every value of the lake.
    """
    from influx_lake.errors import ConfigurationError
    from influx_lake.restore.destination import ServerDestination
    from influx_lake.restore.restore_run import restore
    from influx_lake.restore.rows.names import declared_by

    if config.measurement is None or config.to is None:
        raise ConfigurationError(
            "the run's configuration has `measurement` or `to`, and not both",
            remedy="Name the measurement, and the source or the folder that gets its points",
        )
    measurement = lake.find(config.measurement)
    if measurement.scheme != scheme:
        raise ConfigurationError(
            f"{measurement.key} has partitions of another kind than {scheme_name(scheme)}",
            remedy=f"Run the job restore_{scheme_name(measurement.scheme)}",
        )
    names, partitions = LakeNames.of(lake), partitions_for(scheme)
    windows = {key: window_of(partitions, key) for key in context.partition_keys}
    destination = _destination(context, lake, measurement, config.to)
    pool = source_pool(lake, config.to) if isinstance(destination, ServerDestination) else None
    context.instance.add_run_tags(context.run.run_id, subject_tags([measurement.name], windows.values()))

    def ask() -> Any:
        with asked_source_of(context, names, measurement.source) as source:
            return source.schema(measurement.name)

    with slot(context.log, pool) if pool is not None else nullcontext():
        found = restore(
            lake,
            catalog_of(context, names),
            measurement,
            destination,
            _options(config, windows.values()),
            declared_by(lake, measurement, ask),
        )
    for remark in (*(f"{name} is left out: {why}" for name, why in found.left_out.items()), *found.remarks):
        context.log.info(f"{measurement.key}: {remark}")
    context.log.info(
        f"{measurement.key}: {found.points:,} points written to {found.target} as {found.name}, of snapshot "
        f"{found.snapshot_id}"
    )
    facts = _facts(found)
    differing = [each for each in found.verified or () if not each.is_equal]
    if found.refused or differing:
        raise dg.Failure(_failure(found), metadata=facts, allow_retries=False)
    for key, window in windows.items():
        describe_partition(context.asset_key, key, {**facts, **_facts_of(found, window)})
    yield dg.MaterializeResult(asset_key=context.asset_key)


def _destination(context: dg.AssetExecutionContext, lake: Lake, measurement: Measurement, to: str) -> "Destination":
    from influx_lake.config.connections import ServerConfig
    from influx_lake.restore.destination import ServerDestination, destination_of

    found = destination_of(lake, measurement, to, lake.root)
    if isinstance(found, ServerDestination) and to in lake.sources:
        resource = source_of(context, LakeNames.of(lake), to)
        # The project may have replaced the resource of the source.
        if isinstance(resource, SourceResource) and isinstance(other := resource.config(), ServerConfig):
            return ServerDestination(other)
    return found


def _options(config: RestoreConfig, windows: Any) -> "RestoreOptions":
    from influx_lake.iceberg.history.rollback import named_snapshot
    from influx_lake.restore.delivery.rate_limit import Rate
    from influx_lake.restore.options import RestoreOptions

    cut: list[Window] = sorted(windows)
    return RestoreOptions(
        start=cut[0].start,
        end=cut[-1].end,
        name=config.as_name,
        snapshot=None if config.snapshot is None else named_snapshot(config.snapshot),
        as_stored=config.as_stored,
        into_source=config.into_source,
        again=config.again,
        verify=config.check,
        concurrency=config.concurrency,
        rate=Rate(points=config.points_per_second),
        packing=Packing(config.compression),
    )


def _facts(found: "Restored") -> Facts:
    facts: dict[str, dg.MetadataValue] = {
        "measurement": dg.MetadataValue.text(found.measurement.name),
        "target": dg.MetadataValue.text(found.target),
        "as": dg.MetadataValue.text(found.name),
        "snapshot_id": dg.MetadataValue.text(str(found.snapshot_id)),
        "refused": dg.MetadataValue.int(found.refused),
    }
    if found.is_equal is not None:
        facts["equal"] = dg.MetadataValue.bool(found.is_equal)
    if found.dead_letters is not None:
        facts["dead_letters"] = dg.MetadataValue.path(Path(found.dead_letters))
    return facts


def _facts_of(found: "Restored", window: Window) -> Facts:
    points = [each.points for each in found.verified or () if window.start <= each.window.start < window.end]
    return {"points": dg.MetadataValue.int(sum(points))} if found.verified is not None else {}


def _failure(found: "Restored") -> str:
    said = []
    if found.refused:
        said.append(f"{found.target} refused {found.refused:,} points: see {found.dead_letters}")
    differing = [each for each in found.verified or () if not each.is_equal]
    if differing:
        first = differing[0]
        said.append(
            f"{len(differing):,} of {len(found.windows):,} windows differ from the lake's: {first.window}: "
            f"{'; '.join(first.differences)}"
        )
    return f"measurement {found.measurement.name}: {'. '.join(said)}"
