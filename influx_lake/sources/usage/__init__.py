"""The size of a database according to its server. Figures that the server does not provide are not estimated."""

from influx_lake.sources.usage.server_statistics import MeasurementUsage, Part, Queries, SourceUsage
from influx_lake.sources.usage.statistics_queries import usage_of

__all__ = ["MeasurementUsage", "Part", "Queries", "SourceUsage", "usage_of"]
