"""HTTP clients of sources: responses as streams of bytes."""

from influx_lake.sources.http.connection import ByteStream, HttpConnection, Request
from influx_lake.sources.http.failures import HttpFailures

__all__ = ["ByteStream", "HttpConnection", "HttpFailures", "Request"]
