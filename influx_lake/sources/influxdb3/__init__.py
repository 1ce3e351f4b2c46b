"""Reads InfluxDB 3 over Arrow Flight or HTTP."""

from influx_lake.sources.influxdb3.source import InfluxDB3Source

__all__ = ["InfluxDB3Source"]
