"""What InfluxDB 1 and 2 say of a query that failed: what can pass is told from what cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from influx_lake.errors import (
    QueryRejected,
    ResultLimitExceeded,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
)
from influx_lake_tests.unit.sources.lies.server import Http, LyingServer, Sent
from influx_lake_tests.unit.sources.lies.speakers import SPEAKERS, outcome

COLLISION = 'schema collision detected: column "_value" is both of type string and float'


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        ("500 Internal Server Error", "internal error", COLLISION, QueryRejected),
        ("500 Internal Server Error", "internal error", "panic: unimplemented column type", QueryRejected),
        ("400 Bad Request", "invalid", COLLISION, QueryRejected),
        ("400 Bad Request", "invalid", "queue length exceeded", SourceUnavailable),
        (
            "400 Bad Request",
            "invalid",
            "memory allocation limit reached: limit 10 bytes, allocated: 9, wanted: 2",
            ResultLimitExceeded,
        ),
        ("500 Internal Server Error", "internal error", "engine is closed", SourceUnavailable),
        ("500 Internal Server Error", "internal error", "context canceled", SourceUnavailable),
        ("500 Internal Server Error", "internal error", "context deadline exceeded", SourceTimeout),
        ("503 Service Unavailable", "unavailable", "starting", SourceUnavailable),
        ("429 Too Many Requests", "too many requests", "org has exceeded its quota", SourceUnavailable),
    ],
)
def test_of_flux(status: str, code: str, message: str, kind: type[SourceError]) -> None:
    body = json.dumps({"code": code, "message": message}).encode()

    def fail(_body: bytes, _kind: str, _server: LyingServer) -> Iterator[Sent]:
        yield Http(body, status=status).sized()

    came = outcome(SPEAKERS["flux"], fail)
    assert type(came) is kind
    assert message in came.message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("max-select-point limit exceeed: (11/10)", ResultLimitExceeded),
        ("max-select-series limit exceeded: (11/10)", ResultLimitExceeded),
        ("query-timeout limit exceeded", SourceTimeout),
        ("query killed", SourceUnavailable),
        ("expected float cursor", QueryRejected),
    ],
)
def test_in_influxql(message: str, kind: type[SourceError]) -> None:
    body = json.dumps({"results": [{"statement_id": 0, "error": message}]}).encode() + b"\n"
    assert type(outcome(SPEAKERS["influxdb1"], lambda *_: [Http(body).chunked()])) is kind
