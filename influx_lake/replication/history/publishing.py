"""Publishes a measurement's branch on request (`influx-lake publish`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake import recorder
from influx_lake.config import Measurement
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.history.publishing import Published, publish_with_aside
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def publish_branch(catalog: Catalog, measurement: Measurement, branch: str) -> Published:
    """Publish what was loaded of a measurement to a branch, and remove the branch; see
    `influx_lake.iceberg.history.publishing.publish`.

    The quarantine's branch of the same name is published with it.

    Raises:
        ConfigurationError: There is no such branch, it is the table itself, or others committed to it.
        BranchOutdated: Others changed the same windows since: they have to be loaded again.
        CommitError: It could not be committed.
    """
    if branch == "main":
        raise ConfigurationError("main is what readers of the table get")
    target = TableTarget(
        identifier=measurement.identifier,
        time_column=measurement.time_column,
        write=measurement.write,
        properties=measurement.table_properties,
        types=measurement.types.model_copy(update={"types": {}}),
        partition=measurement.iceberg_partition,
        share=measurement.share,
    )
    done = publish_with_aside(catalog, target, quarantine_of(target), branch)
    if (present := recorder.recorder()) is not None:
        for window in done.windows:
            present.loaded(measurement.full_name, window)
    return done
