"""Reads the Parquet files of an InfluxDB 3 Core."""

from influx_lake.sources.influxdb3_parquet.source import InfluxDB3ParquetSource

__all__ = ["InfluxDB3ParquetSource"]
