"""What an asset returns to be written to its table: rows by partitions, and the writing of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import dagster as dg

from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.partition_events import Facts, describe_partition, finished_events, step_of
from influx_lake.orchestration.tags import WINDOW, subject_tags

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.window_result import WindowResult
    from influx_lake.replication.loading import WindowRows

PROGRESS_SECONDS = 2.0
"""A line of a run's log costs as much as a small window."""

_OF_TABLE = {"dagster/row_count"}


@dataclass(frozen=True, slots=True)
class PartitionWindow:
    """A window that is written in one commit: a partition, or several that touch.

    Attributes:
        rows: Its rows, as a stream of Arrow batches that is read when it is written, and how it is written.
        facts: What is shown of each partition in it, by partition key, once it is written.
    """

    rows: WindowRows
    facts: Callable[[WindowResult], Mapping[str, Facts]]


@runtime_checkable
class PartitionRows(Protocol):
    """Rows of an asset's partitions: what assets of measurements and of roll-ups return, and your own may."""

    @property
    def at_once(self) -> int:
        """How many windows may be read and written at the same time."""
        ...

    def opened(
        self, context: dg.OutputContext, catalog: Catalog, partitions: Mapping[str, Window]
    ) -> AbstractContextManager[Iterable[PartitionWindow]]:
        """The windows of a run's partitions, which can be read for as long as the context lasts.

        Args:
            context: The output that is stored.
            catalog: The catalog of the table.
            partitions: The windows of the run's partitions, by partition key.
        """
        ...


def write_partitions(
    context: dg.OutputContext, catalog: Catalog, rows: PartitionRows, partitions: Mapping[str, Window]
) -> Iterator[dg.AssetMaterialization]:
    """Write the windows of a run, and describe each partition on its own event.

    Args:
        context: The output that is stored.
        catalog: The catalog of the table.
        rows: What the asset returned.
        partitions: The windows of the run's partitions, by partition key.

    Yields:
        When a window fails, the materialisations of those that were finished, which are in the table.

    Raises:
        LakeError: A window failed; no other one was begun after that.
    """
    from influx_lake.replication.loading import load_windows

    _tag_run(context, partitions)
    finished: dict[str, Facts] = {}
    began = told = time.monotonic()
    try:
        with rows.opened(context, catalog, partitions) as windows:
            for each, done in load_windows(((each, each.rows) for each in windows), rows.at_once):
                finished.update(each.facts(done))
                if done.seconds >= PROGRESS_SECONDS or len(partitions) == 1:
                    context.log.info(_written(each.rows, done))
                now = time.monotonic()
                if now - told >= PROGRESS_SECONDS or len(finished) == len(partitions):
                    said = _progress(len(finished), len(partitions), now - began)
                    context.log.info(f"{each.rows.subject}: {said}: {done.window}")
                    told = now
    except (Exception, dg.DagsterExecutionInterruptedError):
        yield from finished_events(context, finished)
        raise
    for key, facts in _with_the_tables_state_last(finished, list(partitions)[-1]).items():
        describe_partition(context.asset_key, key, facts)


def _with_the_tables_state_last(finished: dict[str, Facts], last: str) -> dict[str, Facts]:
    """What is true of the whole table goes to the event that Dagster shows as the newest: its last partition's."""
    newest = next(reversed(finished.values()))
    return {**finished, last: {**finished[last], **{name: newest[name] for name in _OF_TABLE & newest.keys()}}}


def _written(rows: WindowRows, done: WindowResult) -> str:
    return (
        f"{rows.subject}: {done.rows:,} rows in {done.seconds:.1f} s ({done.rows_per_second:,.0f} rows/s), "
        f"snapshot {done.snapshot_id} of {done.table_name}"
    )


def _progress(done: int, total: int, seconds: float) -> str:
    left = timedelta(seconds=round((total - done) * seconds / done))
    rest = f", about {format_duration(left)} left" if done < total else ""
    return f"window {done} of {total} in {seconds:.1f} s ({done / seconds:.1f} windows/s{rest})"


def _tag_run(context: dg.OutputContext, partitions: Mapping[str, Window]) -> None:
    """Let the tags of a run that somebody started say what it loads, as those of planned runs do."""
    step = step_of()
    run = step.run
    assets = sorted(run.asset_selection or {context.asset_key})
    if WINDOW not in run.tags and context.asset_key == assets[0]:
        names = [asset.path[-1] for asset in assets]
        step.instance.add_run_tags(run.run_id, subject_tags(names, partitions.values()))
