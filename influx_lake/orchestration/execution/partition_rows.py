"""Writes the rows of an asset's partitions to its table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import dagster as dg

from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.partition_events import Facts, describe_partition, step_of
from influx_lake.orchestration.tags import WINDOW, subject_tags

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.window_result import WindowResult
    from influx_lake.replication.loading import LoadedElsewhere, WindowRows

PROGRESS_SECONDS = 2.0
"""The interval of progress messages, in seconds: a line of a run's log costs as much as a small window."""

_OF_TABLE = {"dagster/row_count"}


@dataclass(frozen=True, slots=True)
class PartitionWindow:
    """A window that is written in one commit: a partition, or several adjacent ones.

    Attributes:
        rows: Its rows, as a stream of Arrow batches that is read when it is written, with write options.
        facts: Returns the metadata of each partition in it, by partition key, after the write.
    """

    rows: WindowRows | LoadedElsewhere
    facts: Callable[[WindowResult], Mapping[str, Facts]]


class StoredAsset(Protocol):
    """An asset whose rows are stored; the context of an output is one."""

    @property
    def asset_key(self) -> dg.AssetKey:
        """Its key."""
        ...

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def log(self) -> dg.DagsterLogManager:
        """The run's log."""
        ...


@dataclass(frozen=True, slots=True)
class AssetOfStep:
    """An asset of a step that stores several.

    Attributes:
        run_id: The run.
        log: The run's log.
    """

    asset_key: dg.AssetKey
    run_id: str
    log: dg.DagsterLogManager


@runtime_checkable
class PartitionRows(Protocol):
    """Rows of an asset's partitions: of measurements, of roll-ups, or of your own assets."""

    @property
    def at_once(self) -> int:
        """The most windows that are read and written at the same time."""
        ...

    def opened(
        self, context: StoredAsset, catalog: Catalog, partitions: Mapping[str, Window]
    ) -> AbstractContextManager[Iterable[PartitionWindow]]:
        """A context with the windows of a run's partitions, which can be read within it.

        Args:
            context: The asset that is stored.
            catalog: The catalog of the table.
            partitions: The windows of the run's partitions, by partition key.
        """
        ...


def write_partitions(
    context: StoredAsset,
    catalog: Catalog,
    rows: PartitionRows,
    partitions: Mapping[str, Window],
    finished: dict[str, Facts],
) -> None:
    """Write the windows of a run, and describe each partition on its own event.

    Args:
        context: The asset that is stored.
        catalog: The catalog of the table.
        rows: Its rows.
        partitions: The windows of the run's partitions, by partition key.
        finished: Receives the metadata of each partition as it is written; they stay in the table if a later one fails.

    Raises:
        LakeError: A window failed; no other one was begun afterwards.
    """
    from influx_lake.replication.loading import load_windows

    _tag_run(context, partitions)
    began = told = time.monotonic()
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
    for key, facts in _with_table_state_last(finished, list(partitions)[-1]).items():
        describe_partition(context.asset_key, key, facts)


def _with_table_state_last(finished: dict[str, Facts], last: str) -> dict[str, Facts]:
    """Put the table's figures on the last partition's event, which Dagster shows as the newest."""
    newest = next(reversed(finished.values()))
    return {**finished, last: {**finished[last], **{name: newest[name] for name in _OF_TABLE & newest.keys()}}}


def _written(rows: WindowRows | LoadedElsewhere, done: WindowResult) -> str:
    return (
        f"{rows.subject}: {done.rows:,} rows in {done.seconds:.1f} s ({done.rows_per_second:,.0f} rows/s), "
        f"snapshot {done.snapshot_id} of {done.table_name}"
    )


def _progress(done: int, total: int, seconds: float) -> str:
    left = timedelta(seconds=round((total - done) * seconds / done))
    rest = f", about {format_duration(left)} left" if done < total else ""
    return f"window {done} of {total} in {seconds:.1f} s ({done / seconds:.1f} windows/s{rest})"


def _tag_run(context: StoredAsset, partitions: Mapping[str, Window]) -> None:
    """Add the tags of measurements and window to a run that a person started, as planned runs have them."""
    step = step_of()
    run = step.run
    assets = sorted(run.asset_selection or {context.asset_key})
    if WINDOW not in run.tags and context.asset_key == assets[0]:
        names = [asset.path[-1] for asset in assets]
        step.instance.add_run_tags(run.run_id, subject_tags(names, partitions.values()))
