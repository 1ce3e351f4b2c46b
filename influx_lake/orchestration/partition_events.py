"""Figures on each partition's own event, also in a run over many partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

Facts = Mapping[str, dg.MetadataValue]


def describe_partition(context: dg.OutputContext, key: str, facts: Facts) -> None:
    """Attach metadata to the materialisation event of one partition.

    `add_output_metadata` repeats one value on every partition of the run, which makes the plots lie.
    """
    context.step_context.add_asset_metadata(facts, asset_key=context.asset_key, partition_key=key)


def finished_events(context: dg.OutputContext, finished: Mapping[str, Facts]) -> Iterator[dg.DagsterEvent]:
    """Materialisations of partitions that were committed before a later one failed.

    Dagster itself records none of a failed step's partitions, and drops what `log_event` was given.
    """
    for key, facts in finished.items():
        materialization = dg.AssetMaterialization(asset_key=context.asset_key, partition=key, metadata=facts)
        yield dg.DagsterEvent.asset_materialization(context.step_context, materialization)
