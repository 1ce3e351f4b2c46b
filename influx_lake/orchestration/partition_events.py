"""Metadata for each partition's own event, also in a run of many partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

Facts = Mapping[str, dg.MetadataValue]


def step_of() -> dg.AssetExecutionContext:
    """The context of the step under execution, also while its IO manager stores an output.

    An IO manager's own context has neither the run nor a way to describe one partition of several.
    """
    return dg.AssetExecutionContext.get()


def describe_partition(asset: dg.AssetKey, key: str, facts: Facts) -> None:
    """Attach metadata to the materialisation event of one partition.

    `add_output_metadata` repeats a value on every partition of the run, which makes plots wrong.
    """
    step_of().add_asset_metadata(facts, asset_key=asset, partition_key=key)


def materializations(asset: dg.AssetKey, finished: Mapping[str, Facts]) -> Iterator[dg.AssetMaterialization]:
    """Materialisations of partitions that were committed before a later one failed.

    Dagster itself records none of a failed step's partitions.
    """
    for key, facts in finished.items():
        yield dg.AssetMaterialization(asset_key=asset, partition=key, metadata=facts)


def stored_events(context: dg.OutputContext, finished: Mapping[str, Facts]) -> Iterator[dg.AssetMaterialization]:
    """The materialisations of an output that an IO manager stores.

    Dagster records logged events at the next yield, and drops yielded events where the step then fails: so each event
    is logged, and the last one is yielded to have them recorded once.
    """
    last = None
    for last in materializations(context.asset_key, finished):
        context.log_event(last)
    if last is not None:
        yield last
