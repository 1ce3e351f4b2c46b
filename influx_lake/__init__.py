"""Moves InfluxDB measurements into Apache Iceberg tables, as Dagster assets, and keeps them right."""

from importlib.metadata import version

__version__ = version("influx-lake")
