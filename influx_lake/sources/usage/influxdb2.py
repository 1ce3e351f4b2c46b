"""The statistics of an InfluxDB 2: its `/metrics`, and Flux's `influxdb.cardinality`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

from influx_lake.config.connections import InfluxDB2Config
from influx_lake.sources.flux import FluxSource
from influx_lake.sources.http import HttpConnection, Request
from influx_lake.sources.http.documents import lines
from influx_lake.sources.influxql.server import InfluxDB2Server
from influx_lake.sources.usage.server_statistics import MeasurementUsage, Queries, SourceUsage, told

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ASKING = {"/query", "/api/v2/query"}
_WANTED = ("storage_shard_disk_size", "http_api_requests_total", "influxdb_uptime_seconds")
_SERIES = "series by measurement"
_SERVER = "the whole server, since it was started"
_LONGEST_LINE = 1 << 16


def usage_of_influxdb2(config: InfluxDB2Config, measurements: Sequence[str]) -> SourceUsage:
    """The statistics of the bucket; errors as of `usage_of`."""
    server = InfluxDB2Server(config)
    not_told = {
        "rows": "InfluxDB 2 does not count rows without reading them",
        "bytes by measurement": "InfluxDB 2 counts bytes by shard, and a shard holds all measurements of a time",
        "bytes by month": "InfluxDB 2 does not report the time range of a shard",
    }
    with closing(HttpConnection(config, server.headers)) as connection, closing(FluxSource(config)) as flux:
        series = told(not_told, "series", partial(flux.cardinality, None))
        by_name = {name: told(not_told, _SERIES, partial(flux.cardinality, name)) for name in measurements}
        there = told(not_told, "measurements", flux.measurements)
        bucket = told(not_told, "bytes", partial(server.bucket_id, connection))
        samples = told(not_told, "bytes and queries", lambda: list(_samples(server, connection)))
    size = [value for name, labels, value in samples or () if name == _WANTED[0] and labels.get("bucket") == bucket]
    if bucket is not None and samples is not None and not size:
        not_told["bytes"] = "/metrics has no storage_shard_disk_size of the bucket"
    return SourceUsage(
        bytes=int(sum(size)) if size else None,
        series=series,
        queries=_queries(samples) if samples is not None else None,
        measurements={name: MeasurementUsage(series=count) for name, count in by_name.items()},
        not_told=not_told,
        others=tuple(sorted(set(there or ()) - set(measurements))),
    )


def _queries(samples: Sequence[tuple[str, dict[str, str], float]]) -> Queries | None:
    counts = [value for name, labels, value in samples if name == _WANTED[1] and labels.get("path") in _ASKING]
    uptime = next((value for name, _, value in samples if name == _WANTED[2]), None)
    since = None if uptime is None else datetime.now(UTC) - timedelta(seconds=uptime)
    return Queries(int(sum(counts)), since, _SERVER)


def _samples(server: InfluxDB2Server, connection: HttpConnection) -> Iterator[tuple[str, dict[str, str], float]]:
    """The needed samples of `/metrics`, in Prometheus' text format."""
    failures = server.failures()
    with connection.stream(Request.get("/metrics"), failures) as answer:
        for line in lines(answer, failures):
            found = _SAMPLE.match(line.decode(errors="replace")) if len(line) < _LONGEST_LINE else None
            if found is not None and found["name"] in _WANTED:
                try:
                    yield found["name"], dict(_LABEL.findall(found["labels"] or "")), float(found["value"])
                except ValueError:
                    raise failures.odd(f"/metrics has a value that is not a number: {found['value']!r}") from None
