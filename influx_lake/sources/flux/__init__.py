"""Reads InfluxDB 2 in Flux over HTTP."""

from influx_lake.sources.flux.source import FluxSource

__all__ = ["FluxSource"]
