"""Imports triggers of InfluxData's plugin influxdb_to_iceberg, and reports on adopted tables."""
