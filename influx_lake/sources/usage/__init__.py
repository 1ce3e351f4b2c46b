"""How much of a server its data take up, from what the server itself counts. What it does not tell is not estimated."""

from influx_lake.sources.usage.asking import usage_of
from influx_lake.sources.usage.told import MeasurementUsage, Part, Queries, SourceUsage

__all__ = ["MeasurementUsage", "Part", "Queries", "SourceUsage", "usage_of"]
