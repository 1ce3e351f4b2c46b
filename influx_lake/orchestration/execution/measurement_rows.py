"""The rows of a measurement's asset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import naming
from influx_lake.observing import Observation
from influx_lake.orchestration.execution.partition_rows import PartitionWindow, StoredAsset
from influx_lake.orchestration.partition_events import step_of
from influx_lake.orchestration.pool_slots import Pool, is_held_by_steps, slot
from influx_lake.orchestration.resources import OpensSource
from influx_lake.orchestration.spark.windows import SparkWindow, SparkWindows
from influx_lake.orchestration.splitting.run_helpers import RunHelpers
from influx_lake.orchestration.window_metadata import replication_facts
from influx_lake.replication.splitting.helpers import Helpers, NoHelpers

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Upstream:
    """A source of windows.

    Attributes:
        source: Opens it.
        asset: The external asset of the measurement in it.
    """

    source: OpensSource
    asset: dg.AssetKey


@dataclass(frozen=True, slots=True)
class MeasurementRows:
    """The rows of a measurement's windows, read from its sources as they are written.

    Attributes:
        upstreams: Its sources, by their names in the lake.
        at_once: How many windows are loaded at the same time.
        pool: The table's pool, if it has one: a slot is claimed meanwhile.
        source_pools: Pools of its sources in which a slot is claimed meanwhile too.
        observation: The observers of loads.
        spark: Loads the windows with `engine: spark`; None: there are none.
    """

    measurement: Measurement
    upstreams: Mapping[str, Upstream]
    at_once: int = 1
    pool: Pool | None = None
    source_pools: Mapping[str, Pool] = field(default_factory=dict)
    observation: Observation | None = None
    spark: SparkWindows | None = None

    @contextmanager
    def opened(
        self, context: StoredAsset, catalog: Catalog, partitions: Mapping[str, Window]
    ) -> Iterator[Iterator[PartitionWindow]]:
        """A context with the windows, in which the sources are open and slots of the pools are claimed."""
        from influx_lake.checks.audit import audit
        from influx_lake.iceberg.window_load import Progress
        from influx_lake.replication.recent_schema import RecentSchemas
        from influx_lake.replication.window import MeasurementWindow

        measurement = self.measurement

        def progress(now: Progress) -> None:
            context.log.info(f"{measurement.name}: {now.rows:,} rows so far, {now.rows_per_second:,.0f} rows/s")

        with naming(measurement.name), ExitStack() as opened:
            if self.observation is not None:
                opened.enter_context(self.observation.of_loads(step_of().run.job_name))
            sources = {name: opened.enter_context(each.source.open()) for name, each in self.upstreams.items()}
            schemas = {name: RecentSchemas(source) for name, source in sources.items()}
            declared = [sources[name].identity for name in measurement.sources]

            shared = RunHelpers(step_of().instance, context.run_id, measurement.full_name)
            helpers: Helpers = shared if measurement.split is not None else NoHelpers()

            spark = self.spark
            by_spark = [each for each in partitions.values() if spark is not None and spark.takes(measurement, each)]
            job = spark.of_step(catalog, measurement, by_spark) if spark is not None and by_spark else None

            def window_of(key: str, window: Window) -> PartitionWindow:
                name = measurement.source_of(window)
                if job is not None and window in by_spark:
                    there = SparkWindow(job, measurement.name, window)
                    return PartitionWindow(
                        there, lambda done: {key: replication_facts(done, self.upstreams[name].asset)}
                    )
                rows = MeasurementWindow(
                    sources[name],
                    catalog,
                    measurement,
                    window,
                    context.run_id,
                    declared,
                    schemas[name],
                    sources.get(measurement.archive or ""),
                    progress,
                    audit,
                    helpers,
                )
                return PartitionWindow(rows, lambda done: {key: replication_facts(done, self.upstreams[name].asset)})

            for pool in self._pools_of(partitions.values()):
                opened.enter_context(slot(context.log, pool))
            yield (window_of(key, window) for key, window in partitions.items())

    def _pools_of(self, windows: Iterable[Window]) -> Iterator[Pool]:
        """The pools in which windows need a slot, always in the same order, so that runs do not deadlock."""
        for source in sorted({self.measurement.source_of(window) for window in windows} & self.source_pools.keys()):
            # Where steps claim slots of their own pool, this step has its slot already.
            if source != self.measurement.source or not is_held_by_steps(step_of().instance):
                yield self.source_pools[source]
        if self.pool:
            yield self.pool
