"""InfluxDB 1 and 2, queried with InfluxQL over HTTP."""

from influx_lake.sources.influxql.server import InfluxDB1Server, InfluxDB2Server
from influx_lake.sources.influxql.source import InfluxQLSource

__all__ = ["InfluxDB1Server", "InfluxDB2Server", "InfluxQLSource"]
