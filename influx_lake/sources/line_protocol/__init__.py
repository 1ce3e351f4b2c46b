"""Files of line protocol: exports of InfluxDB 1.x and 2.x, and output of Telegraf."""

from influx_lake.sources.line_protocol.archive import LineProtocolFiles, line_protocol_source

__all__ = ["LineProtocolFiles", "line_protocol_source"]
