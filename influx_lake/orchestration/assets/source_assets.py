"""The sources' measurements as external assets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.partitions import partitions_for

MEASUREMENTS_SHOWN = 2_000
"""Up to this many measurements of a lake are assets in their sources, too. In a larger one databases are: whichever
page is opened first, Dagster's UI asks for all assets, which takes its webserver a quarter of a millisecond for each.
"""


def shows_databases(lake: Lake) -> bool:
    """Whether the lake has an external asset for each database, and none for each measurement in it."""
    return len(lake.measurements) > MEASUREMENTS_SHOWN


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
    if shows_databases(lake):
        of_database = {name: dg.AssetKey(["influxdb", *names.placed(*place)]) for name, place in places.items()}
        return lambda source, measurement: of_database[source]
    return lambda source, measurement: dg.AssetKey(["influxdb", *names.placed(*places[source], measurement)])


def source_assets(lake: Lake) -> dict[tuple[str, str], dg.AssetSpec]:
    """The external assets that lineage starts at, by source and measurement: measurements in their sources, or, in a
    lake of many, the databases, each the same object for all of its measurements.

    Measurements have the partitions of the tables, so that a change found in the source is an observation of one
    partition. Databases have none, since their measurements may differ in them.
    """
    key_of, labels = source_key(lake), {name: config.label for name, config in lake.sources.items()}
    databases = {name: _database(key_of(name, ""), label) for name, label in labels.items()}
    by_database = shows_databases(lake)
    specs: dict[tuple[str, str], dg.AssetSpec] = {}
    for each in lake.measurements:
        for source in each.sources:
            place = source, each.name
            if place not in specs:
                specs[place] = databases[source] if by_database else _measurement(key_of(*place), each, labels[source])
    return specs


def _measurement(key: dg.AssetKey, measurement: Measurement, label: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=f"Measurement `{measurement.name}` in {label}.",
        group_name="influxdb",
        kinds={"influxdb"},
        partitions_def=partitions_for(measurement.scheme),
    )


def _database(key: dg.AssetKey, label: str) -> dg.AssetSpec:
    about = f"The measurements in {label}: so many that each has an asset for its table only."
    return dg.AssetSpec(key, description=about, group_name="influxdb", kinds={"influxdb"})
