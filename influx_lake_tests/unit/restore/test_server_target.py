"""What answers of servers to writes mean, and which paths are asked."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from influx_lake.config import InfluxDB3Config, LineProtocolConfig, Secret
from influx_lake.config.connections import InfluxDB1Config, InfluxDB2Config, ServerConfig
from influx_lake.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DatabaseNotFound,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
    TransientSourceError,
    UnexpectedAnswer,
)
from influx_lake.restore.targets.server import ServerTarget, endpoint_of
from influx_lake_tests.unit.restore.test_delivery import batch
from testbed.http_server import http_server

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def server(*answers: Answer) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """Gives these answers, the last one again and again; and what it was asked."""
    asked: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, said = answers[min(len(asked), len(answers) - 1)]
            asked.append((self.path, dict(self.headers), gzip.decompress(body)))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(said))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with http_server(Handler) as url:
        yield url, asked


def configs(url: str) -> dict[str, ServerConfig]:
    return {
        "influxdb1": InfluxDB1Config(
            type="influxdb1", host=url, database="a b", retention_policy="r p", username="u", password=Secret("p")
        ),
        "influxdb2": InfluxDB2Config(type="influxdb2", host=url, org="o&o", bucket="b", token=Secret("t2")),
        "influxdb3": InfluxDB3Config(host=url, database="d", token=Secret("t3")),
    }


@pytest.mark.parametrize(
    ("version", "path", "authorization"),
    [
        ("influxdb1", "/write?db=a+b&rp=r+p", "Basic dTpw"),
        ("influxdb2", "/api/v2/write?org=o%26o&bucket=b", "Token t2"),
        ("influxdb3", "/api/v3/write_lp?db=d&precision=nanosecond", "Bearer t3"),
    ],
)
def test_where_points_are_sent(version: str, path: str, authorization: str) -> None:
    with server((204, {}, b"")) as (url, asked):
        target, lines = ServerTarget(endpoint_of(configs(url)[version], "cpu")), batch(3)
        assert target.send(lines) is None
        target.close()
    [(sent_to, headers, body)] = asked
    assert (sent_to, headers["Authorization"], headers["Content-Encoding"], body) == (
        path,
        authorization,
        "gzip",
        lines.body,
    )


def test_a_server_of_version_3_with_the_older_path_alone() -> None:
    with server((404, {}, b"not found"), (204, {}, b"")) as (url, asked):
        target = ServerTarget(endpoint_of(configs(url)["influxdb3"], "cpu"))
        assert [target.send(batch(1)), target.send(batch(1))] == [None, None]
        target.close()
    older = "/api/v2/write?bucket=d&precision=ns"
    assert [path for path, _, _ in asked] == ["/api/v3/write_lp?db=d&precision=nanosecond", older, older]


@pytest.mark.parametrize(
    ("answer", "error", "retry_after"),
    [
        ((401, {}, b'{"error":"no"}'), AuthenticationFailed, None),
        ((403, {}, b""), AuthenticationFailed, None),
        ((404, {}, b'{"error":"database not found: \\"x\\""}'), DatabaseNotFound, None),
        ((408, {}, b""), SourceTimeout, None),
        ((429, {"Retry-After": "7"}, b""), SourceUnavailable, 7),
        ((500, {}, b'{"error":"timeout"}'), SourceUnavailable, None),
        ((503, {"Retry-After": "0"}, b"<html>"), SourceUnavailable, 0),
        ((302, {"Location": "https://elsewhere/"}, b""), UnexpectedAnswer, None),
    ],
)
def test_answers_that_say_nothing_of_points(answer: Answer, error: type[SourceError], retry_after: int | None) -> None:
    with server(answer) as (url, _):
        target = ServerTarget(endpoint_of(configs(url)["influxdb1"], "cpu"))
        with pytest.raises(error) as caught:
            target.send(batch(2))
        target.close()
    assert (caught.value.measurement, caught.value.window) == ("cpu", "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z")
    wanted = None if retry_after is None else timedelta(seconds=retry_after)
    assert (caught.value.retry_after if isinstance(caught.value, TransientSourceError) else None) == wanted
    assert "query" not in str(caught.value)


def test_nobody_answers() -> None:
    with server((204, {}, b"")) as (url, _):
        pass
    target = ServerTarget(endpoint_of(configs(url)["influxdb2"], "cpu"))
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        target.send(batch(1))


def test_files_take_no_points() -> None:
    config = LineProtocolConfig.model_validate({"type": "line_protocol", "path": "/exports", "database": "d"})
    with pytest.raises(ConfigurationError, match="takes no points"):
        endpoint_of(config, "cpu")
