"""How much of a server its data take up, from what the server itself counts. What it does not tell is not estimated."""

from influx_lake.sources.usage.server_statistics import MeasurementUsage, Part, Queries, SourceUsage
from influx_lake.sources.usage.statistics_queries import usage_of

__all__ = ["MeasurementUsage", "Part", "Queries", "SourceUsage", "usage_of"]
