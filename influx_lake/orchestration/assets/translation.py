"""What a project makes of the assets of a lake: other keys, groups, tags, owners, descriptions, metadata, kinds."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.errors import ConfigurationError
from influx_lake.orchestration.keys import TABLE

Translation = Callable[[dg.AssetSpec, Measurement], dg.AssetSpec]
"""The asset of a measurement, or of a roll-up of it, as it is to be, from what it is."""


def translated(spec: dg.AssetSpec, measurement: Measurement, translation: Translation | None) -> dg.AssetSpec:
    """The asset as a translation has it; its table stays.

    Raises:
        ConfigurationError: It would have other partitions.
    """
    if translation is None:
        return spec
    changed = translation(spec, measurement)
    if changed.partitions_def is not None:
        raise ConfigurationError(
            f"the translation of {measurement.table_name} changes its partitions",
            remedy="Set `partition` of the measurement in lake.yaml",
        )
    return changed if changed.key == spec.key else changed.merge_attributes(metadata={TABLE: list(spec.key.path)})
