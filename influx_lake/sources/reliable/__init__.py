"""Retries, splits and verifies reads."""

from influx_lake.sources.reliable.limits import limits_of
from influx_lake.sources.reliable.source import ReliableSource

__all__ = ["ReliableSource", "limits_of"]
