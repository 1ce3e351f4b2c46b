"""An example of an asset of your own, on top of a measurement: the hosts that said less than the others."""

from pathlib import Path

import dagster as dg
import polars as pl

from influx_lake.config import Lake, Measurement, load_lake
from influx_lake.orchestration.automation.conditions import follows_upstream
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.partitions import partitions_for

LAKE = Path(__file__).parents[2] / "lake.yaml"


@dg.definitions
def quiet_hosts() -> dg.Definitions:
    """The asset, where the lake has the measurement cpu."""
    lake = load_lake(LAKE)
    return dg.Definitions(assets=[hosts_of(lake, each) for each in lake.measurements if each.name == "cpu"])


def hosts_of(lake: Lake, measurement: Measurement) -> dg.AssetsDefinition:
    """The hosts of a measurement that sent fewer points in a window than nine out of ten of them."""

    @dg.asset(
        # Its table: quiet_hosts, in the namespace of the measurement's.
        key=[*measurement.namespace, "quiet_hosts"],
        ins={"points": dg.AssetIn(asset_key(measurement))},
        partitions_def=partitions_for(measurement.scheme),
        io_manager_key=LakeNames.of(lake).io_manager,
        group_name=measurement.group,
        kinds={"polars", "iceberg"},
        # Computed anew whenever a window of the measurement was loaded.
        automation_condition=follows_upstream(),
    )
    def hosts(points: pl.LazyFrame) -> pl.LazyFrame:
        """Each host with fewer points than nine out of ten, the time of its last one, and how many it sent."""
        of_host = points.group_by("host").agg(pl.col("time").max(), points=pl.len())
        return of_host.filter(pl.col("points") < pl.col("points").quantile(0.1, "higher"))

    return hosts
