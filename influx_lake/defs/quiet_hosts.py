"""An example of an asset of your own, on top of a measurement: the hosts that said less than the others."""

from importlib.util import find_spec

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.orchestration.keys import IO_MANAGER_KEY, asset_key
from influx_lake.orchestration.location import current_lake
from influx_lake.orchestration.partitions import partitions_for


@dg.definitions
def quiet_hosts() -> dg.Definitions:
    """The asset, where the lake has the measurement cpu and Polars is installed."""
    found = [each for each in current_lake().measurements if each.name == "cpu"]
    return dg.Definitions(assets=[hosts_of(found[0])] if found and find_spec("polars") else [])


def hosts_of(measurement: Measurement) -> dg.AssetsDefinition:
    """The hosts of a measurement that sent fewer points in a window than nine out of ten of them."""
    import polars as pl

    @dg.asset(
        key=[*measurement.namespace, "quiet_hosts"],
        ins={"points": dg.AssetIn(asset_key(measurement))},
        partitions_def=partitions_for(measurement.scheme),
        io_manager_key=IO_MANAGER_KEY,
        group_name=measurement.group,
        kinds={"polars", "iceberg"},
    )
    def hosts(points: pl.LazyFrame) -> pl.LazyFrame:
        """Each host with fewer points than nine out of ten, the time of its last one, and how many it sent."""
        of_host = points.group_by("host").agg(pl.col("time").max(), points=pl.len())
        return of_host.filter(pl.col("points") < pl.col("points").quantile(0.1, "higher"))

    return hosts
