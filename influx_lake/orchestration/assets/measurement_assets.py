"""Measurements as Dagster assets, and the steps that load them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dagster as dg

from influx_lake.config import Measurement, OperationOptions
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import Every
from influx_lake.observing import Observation
from influx_lake.orchestration.assets.checks import Checker, Pending, check_specs
from influx_lake.orchestration.assets.freshness_policy import freshness_policy
from influx_lake.orchestration.assets.translation import Translation, translated
from influx_lake.orchestration.dagster_internals import ManyAssets, OutOfMany
from influx_lake.orchestration.execution.measurement_rows import MeasurementRows, Upstream
from influx_lake.orchestration.execution.measurement_step import Event, StepMeasurement, load_and_check
from influx_lake.orchestration.keys import asset_key, table_metadata
from influx_lake.orchestration.lake_names import UNNAMED, LakeNames, safe_name
from influx_lake.orchestration.partitions import backfill_policy, partitions_for
from influx_lake.orchestration.pool_slots import Pool
from influx_lake.orchestration.pools import SourcePools, table_pool
from influx_lake.orchestration.resources import source_of
from influx_lake.orchestration.spark.windows import SparkWindows
from influx_lake.replication.parallel import windows_at_once

STEPS_OF_THEIR_OWN = 200
"""Up to this many measurements of a lake each have a step. Dagster takes a millisecond for each possible step, whenever
a process loads the definitions.
"""
MEASUREMENTS_PER_STEP = 25
"""About how many measurements a step can load, in a lake with more. A run selects some of them."""


@dataclass(frozen=True, slots=True)
class AssetOptions:
    """What the assets of a lake's measurements have in common.

    Attributes:
        upstream: The external assets of the sources' measurements, by source and name.
        warehouse: The folder of new tables, where it is known without asking the catalog.
        operation: The limits on parallel work.
        pools: The pools of sources, by the path of their measurement; without one, its source's own.
        names: The names of the lake's resources and pools.
        translation: The project's changes to the assets.
        observation: The observers of loads.
        pending: Returns the late points that sources reported and that are not loaded yet.
        conditions: The automation conditions of measurements, by their paths.
        spark: Loads the windows with `engine: spark`.
    """

    upstream: Mapping[tuple[str, str], dg.AssetSpec]
    warehouse: str | None = None
    operation: OperationOptions = field(default_factory=OperationOptions)
    pools: Mapping[tuple[str, ...], SourcePools] = field(default_factory=dict)
    names: LakeNames = UNNAMED
    translation: Translation | None = None
    observation: Observation | None = None
    pending: Pending = tuple
    conditions: Mapping[tuple[str, ...], dg.AutomationCondition[dg.AssetKey]] = field(default_factory=dict)
    spark: SparkWindows | None = None


@dataclass(frozen=True, slots=True)
class _Shared:
    """What measurements must have in common for one step to load them.

    Attributes:
        every: The length of their windows. Their first windows may differ: a run has those with the same start.
        timezone: The time zone in which days, weeks and months begin.
        sources: Their sources.
        pool: The pool of the step.
    """

    every: Every
    timezone: str
    sources: tuple[str, ...]
    windows_per_run: int
    pool: str


def measurement_assets(measurements: Sequence[Measurement], options: AssetOptions) -> list[dg.AssetsDefinition]:
    """The assets of measurements: a partition is a window of a table, replaced as a whole by each materialisation.

    In a lake with few measurements each has a step. In a larger one about `MEASUREMENTS_PER_STEP` share a step, chosen
    by a digest of their paths, so that a new measurement does not change the steps of planned runs.

    Args:
        measurements: The measurements.
        options: What they have in common.
    """
    if len(measurements) <= STEPS_OF_THEIR_OWN:
        return [measurement_asset(each, options) for each in measurements]
    alike: dict[_Shared, list[Measurement]] = defaultdict(list)
    for each in measurements:
        alike[_shared(each, options)].append(each)
    return [
        _assets(name, shared, members, options)
        for shared, found in alike.items()
        for name, members in _steps(shared, found, options.names)
    ]


def measurement_asset(measurement: Measurement, options: AssetOptions) -> dg.AssetsDefinition:
    """The asset of a measurement with a step of its own.

    Args:
        measurement: The measurement.
        options: What the assets of a lake's measurements have in common.
    """
    return _assets(safe_name("__".join(measurement.path)), _shared(measurement, options), [measurement], options)


def _shared(measurement: Measurement, options: AssetOptions) -> _Shared:
    pools = options.pools.get(measurement.path)
    pool = pools.own if pools else options.names.source(measurement.source)
    scheme = measurement.scheme
    return _Shared(scheme.every, scheme.timezone, tuple(measurement.sources), measurement.windows_per_run, pool)


def _steps(
    shared: _Shared, measurements: Sequence[Measurement], names: LakeNames
) -> Iterator[tuple[str, list[Measurement]]]:
    """Group measurements into steps, whose number doubles as measurements do."""
    count = 1
    while len(measurements) > count * MEASUREMENTS_PER_STEP:
        count *= 2
    parts: dict[int, list[Measurement]] = defaultdict(list)
    for each in measurements:
        digest = hashlib.sha256("\n".join(each.path).encode()).digest()
        parts[int.from_bytes(digest[:4]) % count].append(each)
    of = [shared.every, shared.timezone, *shared.sources, shared.pool, str(shared.windows_per_run)]
    for number in sorted(parts):
        yield names.scoped("__".join([*of, f"{number:0{len(str(count))}}"])), parts[number]


def _assets(
    name: str, shared: _Shared, measurements: Sequence[Measurement], options: AssetOptions
) -> dg.AssetsDefinition:
    names = options.names
    out = OutOfMany(Any, is_required=False, io_manager_key=names.io_manager)
    specs = {safe_name("__".join(each.path)): _spec(each, options) for each in measurements}
    checks: dict[str, dg.AssetCheckSpec] = {}
    of: dict[dg.AssetKey, StepMeasurement] = {}
    for each, (output, spec) in zip(measurements, specs.items(), strict=True):
        checker = Checker(each, spec.key, names, options.observation, options.pending)
        of[spec.key] = StepMeasurement(each, partial(_rows, each, options), checker)
        for check in check_specs(each, spec.key):
            named = f"{output}__{check.name}"
            # A measurement may have the name of a check's output.
            checks[f"{named}__check" if named in specs else named] = check

    @dg.op(
        name=name,
        out=dict.fromkeys((*specs, *checks), out),
        required_resource_keys={names.catalog, names.io_manager, *map(names.source, shared.sources)},
        pool=shared.pool,
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Event]:
        yield from load_and_check(context, of, names.io_manager)

    return ManyAssets(
        keys_by_output_name={output: spec.key for output, spec in specs.items()},
        node_def=load,
        specs=list(specs.values()),
        check_specs_by_output_name=checks,
        can_subset=True,
        backfill_policy=backfill_policy(shared.windows_per_run),
    )


def _spec(measurement: Measurement, options: AssetOptions) -> dg.AssetSpec:
    partitions = partitions_for(measurement.scheme)
    upstream = [options.upstream[source, measurement.name].key for source in measurement.sources]
    spec = dg.AssetSpec(
        asset_key(measurement),
        deps=upstream,
        description="\n\n".join(filter(None, (measurement.description, _description(measurement)))),
        group_name=measurement.group,
        owners=list(measurement.owners),
        tags={**measurement.tags, **options.names.tags},
        kinds={"influxdb", "iceberg"},
        metadata=table_metadata(measurement.identifier, options.warehouse, measurement.time_column, measurement.share),
        freshness_policy=freshness_policy(measurement),
        automation_condition=options.conditions.get(measurement.path),
        partitions_def=partitions if options.translation is None else None,
    )
    if options.translation is None:
        return spec
    return translated(spec, measurement, options.translation).replace_attributes(partitions_def=partitions)


def _rows(measurement: Measurement, options: AssetOptions, context: dg.AssetExecutionContext) -> MeasurementRows:
    operation, names = options.operation, options.names
    limit, pools = operation.pools.table, options.pools.get(measurement.path)
    upstreams = {
        source: Upstream(source_of(context, names, source), options.upstream[source, measurement.name].key)
        for source in measurement.sources
    }
    return MeasurementRows(
        measurement,
        upstreams,
        windows_at_once(operation.run, measurement),
        Pool(table_pool(measurement, names), limit) if limit else None,
        pools.claimed if pools else {},
        options.observation,
        options.spark,
    )


def _description(measurement: Measurement) -> str:
    return (
        f"Measurement **{measurement.name}** of the InfluxDB database `{measurement.database}`, "
        f"in the Iceberg table `{measurement.table_name}`.\n\n"
        f"- One partition is one **{measurement.scheme.every}**, in {measurement.scheme.timezone}.\n"
        f"- Materialising a partition replaces exactly its rows, in one commit; doing it again changes nothing.\n"
        f"- Source `{measurement.source}`; a window is due {format_duration(measurement.lag)} after it closes.\n"
    )
