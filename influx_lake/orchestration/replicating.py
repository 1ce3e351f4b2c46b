"""Windows of a measurement, from an asset's body to its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.windows import Window
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.partition_events import Facts, describe_partition, finished_events
from influx_lake.orchestration.window_metadata import replication_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.replication.window import Progress
    from influx_lake.sources.protocol import Source


class OpensSource(Protocol):
    """Anything that opens a source: `InfluxDB3Resource`."""

    def open(self) -> AbstractContextManager[Source]: ...


@dataclass(frozen=True, slots=True)
class MeasurementWindows:
    """What a measurement's asset returns: which measurement of which source. The IO manager moves the rows.

    Attributes:
        measurement: The measurement.
        source: Where its rows are.
    """

    measurement: Measurement
    source: OpensSource


def replicate_partitions(
    context: dg.OutputContext, catalog: Catalog, output: MeasurementWindows, windows: Mapping[str, Window]
) -> Iterator[dg.DagsterEvent]:
    """Replace the windows one after the other, each in a commit of its own, and describe each on its own event.

    Yields:
        When a window fails, the materialisations of those before it, which are in the table.

    Raises:
        Failure: A window failed.
    """
    from influx_lake.replication.window import replicate_window

    measurement, finished = output.measurement, dict[str, Facts]()
    try:
        with failing_clearly(measurement.name), output.source.open() as source:
            for key, window in windows.items():
                context.log.info(f"{measurement.name}: window {window} ({len(finished) + 1} of {len(windows)})")
                with failing_clearly(measurement.name, window):
                    progress = _progress_log(context, measurement)
                    result = replicate_window(
                        source, catalog, measurement, window, run_id=context.run_id, on_progress=progress
                    )
                context.log.info(
                    f"{measurement.name}: {result.rows:,} rows in {result.seconds:.1f} s "
                    f"({result.rows_per_second:,.0f} rows/s), snapshot {result.snapshot_id} of {result.table_name}"
                )
                finished[key] = replication_facts(result)
    except (Exception, dg.DagsterExecutionInterruptedError):
        yield from finished_events(context, finished)
        raise
    for key, facts in finished.items():
        describe_partition(context, key, facts)


def _progress_log(context: dg.OutputContext, measurement: Measurement) -> Callable[[Progress], None]:
    def log(progress: Progress) -> None:
        context.log.info(f"{measurement.name}: {progress.rows:,} rows so far, {progress.rows_per_second:,.0f} rows/s")

    return log
