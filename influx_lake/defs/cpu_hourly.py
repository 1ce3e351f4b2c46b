"""An example of an asset on top of a measurement: cpu by the hour, in an Iceberg table of its own."""

from importlib.util import find_spec

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.orchestration.assets import IO_MANAGER_KEY, asset_key
from influx_lake.orchestration.location import current_lake
from influx_lake.orchestration.partitions import partitions_for


@dg.definitions
def hourly_roll_up() -> dg.Definitions:
    """The roll-up, where the lake has the measurement cpu and Polars is installed."""
    found = [each for each in current_lake().measurements if each.name == "cpu"]
    return dg.Definitions(assets=[roll_up(found[0])] if found and find_spec("polars") else [])


def roll_up(measurement: Measurement) -> dg.AssetsDefinition:
    """The hourly means of a measurement's fields."""
    import polars as pl
    import polars.selectors as cs

    @dg.asset(
        key=[*measurement.namespace, f"{measurement.table}_hourly"],
        ins={"points": dg.AssetIn(asset_key(measurement))},
        partitions_def=partitions_for(measurement.scheme),
        io_manager_key=IO_MANAGER_KEY,
        group_name=measurement.group,
        kinds={"polars", "iceberg"},
    )
    def hourly(points: pl.LazyFrame) -> pl.LazyFrame:
        """The mean of every field and the number of points, by hour and tags."""
        hour = pl.col("time").dt.truncate("1h")
        return points.group_by(hour, cs.string()).agg(cs.float().mean(), points=pl.len())

    return hourly
