"""The lake's tables as lazy Polars frames and DuckDB relations, for notebooks and scripts."""

from influx_lake.frames.scanning import scan

__all__ = ["scan"]
