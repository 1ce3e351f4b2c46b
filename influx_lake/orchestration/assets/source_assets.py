"""The sources' measurements as external assets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import dagster as dg

from influx_lake.config import Lake
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.partitions import partitions_for


def database_places(lake: Lake) -> dict[str, list[str]]:
    """The key of each source's database in asset keys; with the source's name where databases share theirs."""
    sources_of = Counter(config.database for config in lake.sources.values())
    return {
        name: [config.database] if sources_of[config.database] == 1 else [name, config.database]
        for name, config in lake.sources.items()
    }


def source_key(lake: Lake) -> Callable[[str, str], dg.AssetKey]:
    """Returns the keys of these assets, by source and measurement."""
    places, names = database_places(lake), LakeNames.of(lake)
    return lambda source, measurement: dg.AssetKey(["influxdb", *names.placed(*places[source], measurement)])


def source_assets(lake: Lake) -> dict[tuple[str, str], dg.AssetSpec]:
    """The external assets of measurements in their sources, by source and name: lineage starts there.

    They have the partitions of the tables, so that a change found in the source is an observation of one partition.
    """
    key_of, labels = source_key(lake), {name: config.label for name, config in lake.sources.items()}
    specs: dict[tuple[str, str], dg.AssetSpec] = {}
    for measurement in lake.measurements:
        for source in measurement.sources:
            place = source, measurement.name
            if place not in specs:
                specs[place] = dg.AssetSpec(
                    key_of(*place),
                    description=f"Measurement `{measurement.name}` in {labels[source]}.",
                    group_name="influxdb",
                    kinds={"influxdb"},
                    partitions_def=partitions_for(measurement.scheme),
                )
    return specs
