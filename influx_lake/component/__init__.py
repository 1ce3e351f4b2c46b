"""The `dg` component of a lake: `type: influx_lake.InfluxLakeComponent` in a defs.yaml."""

from influx_lake.component.lake_component import InfluxLakeComponent

__all__ = ["InfluxLakeComponent"]
