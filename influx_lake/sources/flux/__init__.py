"""InfluxDB 2, asked in Flux over HTTP."""

from influx_lake.sources.flux.source import FluxSource

__all__ = ["FluxSource"]
