"""A project's changes to the assets of a lake: keys, groups, tags, owners, descriptions, metadata, kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.keys import PATH, TABLE

Translation = Callable[[dg.AssetSpec, Measurement], dg.AssetSpec]
"""Returns the changed asset of a measurement or of one of its roll-ups."""


def translated(spec: dg.AssetSpec, measurement: Measurement, translation: Translation | None) -> dg.AssetSpec:
    """The asset, before it has partitions, after a translation; its table stays.

    Raises:
        ConfigurationError: The translation sets partitions.
    """
    if translation is None:
        return spec
    changed = translation(spec, measurement)
    if changed.partitions_def is not None:
        raise ConfigurationError(
            f"the translation of {measurement.full_name} changes its partitions",
            remedy="Set `partition` of the measurement in lake.yaml",
        )
    if changed.key == spec.key:
        return changed
    own = list(spec.key.path)
    return changed.merge_attributes(metadata={PATH: own, TABLE: spec.metadata.get(TABLE, own)})


def with_translated_keys(lake: Lake, assets: Iterable[dg.AssetSpec]) -> Lake:
    """The lake, its measurements and roll-ups with the keys of their assets."""
    keys = {tuple(spec.metadata[PATH]): tuple(spec.key.path) for spec in assets if PATH in spec.metadata}

    def keyed(measurement: Measurement) -> Measurement:
        rollups = (replace(each, asset=keys.get(each.identifier, each.asset)) for each in measurement.rollups)
        asset = keys.get(measurement.path, measurement.asset)
        return replace(measurement, asset=asset, rollups=tuple(rollups))

    return replace(lake, measurements=tuple(map(keyed, lake.measurements))) if keys else lake
