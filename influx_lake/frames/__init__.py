"""The lake's tables in notebooks and scripts, as Polars frames and DuckDB relations that read no more than is asked."""

from influx_lake.frames.scanning import scan

__all__ = ["scan"]
