"""Clients of the sandbox for its own tests: the real InfluxDB client, and plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import urllib3
from influxdb_client_3 import InfluxDBClient3

from influx_lake.sandbox import Sandbox

HTTP = urllib3.PoolManager(retries=False)


def http(
    box: Sandbox,
    method: str,
    path: str,
    params: dict[str, str] | None = None,
    body: str | bytes | None = None,
    headers: dict[str, str] | None = None,
    token: bool = True,
) -> urllib3.BaseHTTPResponse:
    """One request, with the sandbox's token unless told otherwise."""
    own = {"Authorization": f"Bearer {box.token}"} if token else {}
    query = f"?{urlencode(params)}" if params is not None else ""
    return HTTP.request(method, f"{box.url}{path}{query}", body=body, headers=own | (headers or {}))


def write(box: Sandbox, lines: str, database: str = "db", **params: str) -> None:
    """Write line protocol and expect that it was taken."""
    response = http(box, "POST", "/api/v3/write_lp", {"db": database, "precision": "ns"} | params, lines)
    assert response.status == 204, response.data


@contextmanager
def client(box: Sandbox, database: str = "db", direct: bool = False, token: str | None = None) -> Iterator[Any]:
    """InfluxDB's own client, on the one port or on the Flight port."""
    port = box.flight_port if direct else box.port
    with InfluxDBClient3(
        host=f"http://127.0.0.1:{port}", token=token or box.token, database=database, write_port_overwrite=box.port
    ) as one:
        yield one


def query(box: Sandbox, sql: str, database: str = "db", direct: bool = False, **options: Any) -> pa.Table:
    """Read a whole answer over Flight."""
    with client(box, database, direct) as one:
        return one.query(sql, mode="all", **options)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with times as nanoseconds."""
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.int64()))
    return list(table.to_pylist())


def json_of(response: urllib3.BaseHTTPResponse) -> Any:
    return json.loads(response.data)
