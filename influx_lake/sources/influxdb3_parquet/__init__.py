"""The Parquet files of an InfluxDB 3 Core as a source."""

from influx_lake.sources.influxdb3_parquet.source import InfluxDB3ParquetSource

__all__ = ["InfluxDB3ParquetSource"]
