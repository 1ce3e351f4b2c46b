"""Windows of a measurement, from an asset's body to its table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.execution.partition_rows import PROGRESS_SECONDS, run_windows
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.partition_events import Facts, step_of
from influx_lake.orchestration.pool_slots import Pool, is_held_by_steps, slot
from influx_lake.orchestration.resources import OpensSource
from influx_lake.orchestration.window_metadata import replication_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.window_load import Progress


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where windows come from.

    Attributes:
        source: Opens it.
        asset: The asset that stands for the measurement there.
    """

    source: OpensSource
    asset: dg.AssetKey


@dataclass(frozen=True, slots=True)
class MeasurementRows:
    """What a measurement's asset returns: which measurement of which source. The IO manager moves the rows.

    Attributes:
        measurement: The measurement.
        upstreams: Its sources, by their names in the lake.
        at_once: How many windows are loaded at the same time.
        pool: Where a place is held meanwhile: the table's pool, if it has one.
        source_pools: Pools of its sources in which a place is held meanwhile too.
    """

    measurement: Measurement
    upstreams: Mapping[str, Upstream]
    at_once: int = 1
    pool: Pool | None = None
    source_pools: Mapping[str, Pool] = field(default_factory=dict)

    def store(
        self, context: dg.OutputContext, catalog: Catalog, windows: Mapping[str, Window]
    ) -> Iterator[dg.AssetMaterialization]:
        """Replace the windows, each in a commit of its own."""
        from influx_lake.replication.recent_schema import RecentSchemas
        from influx_lake.replication.window import replicate_window

        measurement, progress = self.measurement, _progress_log(context, self.measurement)
        with failing_clearly(measurement.name), ExitStack() as opened:
            sources = {name: opened.enter_context(each.source.open()) for name, each in self.upstreams.items()}
            schemas = {name: RecentSchemas(source) for name, source in sources.items()}
            declared = [sources[name].identity for name in measurement.sources]

            def run(window: Window) -> Facts:
                name = measurement.source_of(window)
                result = replicate_window(
                    sources[name],
                    catalog,
                    measurement,
                    window,
                    run_id=context.run_id,
                    declared=declared,
                    schemas=schemas[name],
                    archive=sources.get(measurement.archive or ""),
                    on_progress=progress,
                )
                if result.seconds >= PROGRESS_SECONDS or len(windows) == 1:
                    context.log.info(
                        f"{measurement.name}: {result.rows:,} rows in {result.seconds:.1f} s "
                        f"({result.rows_per_second:,.0f} rows/s), snapshot {result.snapshot_id} of {result.table_name}"
                    )
                return replication_facts(result, self.upstreams[name].asset)

            for pool in self._pools_of(windows.values(), step_of().instance):
                opened.enter_context(slot(context, pool))
            yield from run_windows(context, measurement.name, windows, run, at_once=self.at_once)

    def _pools_of(self, windows: Iterable[Window], instance: dg.DagsterInstance) -> Iterator[Pool]:
        """The pools that windows need a place in, always in the same order: so no two runs wait for each other."""
        for source in sorted({self.measurement.source_of(window) for window in windows} & self.source_pools.keys()):
            # Where steps hold places in their own pool, this one has it already.
            if source != self.measurement.source or not is_held_by_steps(instance):
                yield self.source_pools[source]
        if self.pool:
            yield self.pool


def _progress_log(context: dg.OutputContext, measurement: Measurement) -> Callable[[Progress], None]:
    def log(progress: Progress) -> None:
        context.log.info(f"{measurement.name}: {progress.rows:,} rows so far, {progress.rows_per_second:,.0f} rows/s")

    return log
