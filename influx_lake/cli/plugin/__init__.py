"""Triggers of InfluxData's plugin influxdb_to_iceberg, read and carried over."""
