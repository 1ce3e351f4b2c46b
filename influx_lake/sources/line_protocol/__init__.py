"""Files of line protocol: exports of InfluxDB 1.x and 2.x, and what Telegraf writes."""

from influx_lake.sources.line_protocol.archive import line_protocol_source

__all__ = ["line_protocol_source"]
