"""Files of line protocol: exports of InfluxDB 1.x and 2.x, and what Telegraf writes."""

from influx_lake.sources.line_protocol.archive import LineProtocolFiles, line_protocol_source

__all__ = ["LineProtocolFiles", "line_protocol_source"]
