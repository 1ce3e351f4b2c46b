"""The server under test, and what a test does to it past the source: writing and dropping, over HTTP."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from influx_lake.config import InfluxDB3Config
from influx_lake.config.connections import Protocol
from influx_lake.sources.influxdb3 import InfluxDB3Source


@dataclass(frozen=True)
class Server:
    url: str
    token: str | None

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A database for as long as the context lasts."""
        database = Database(self, f"influx_lake_contract_{uuid.uuid4().hex[:12]}")
        try:
            yield database
        finally:
            database.drop()

    def source(self, database: str, token: str | None = None, protocol: Protocol = Protocol.FLIGHT) -> InfluxDB3Source:
        return InfluxDB3Source(
            InfluxDB3Config(
                host=self.url,
                database=database,
                token=token or self.token,
                protocol=protocol,
                timeout=timedelta(seconds=60),
            )
        )

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = "text/plain", **query: str
    ) -> bytes:
        headers = {"Content-Type": kind}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = Request(f"{self.url}{path}?{urlencode(query)}", body, headers, method=method)
        with urlopen(request, timeout=60) as reply:
            return bytes(reply.read())


@dataclass(frozen=True)
class Database:
    server: Server
    name: str

    def create(self) -> None:
        self.server.request(
            "POST", "/api/v3/configure/database", json.dumps({"db": self.name}).encode(), "application/json"
        )

    def write(self, *lines: str) -> None:
        """Store lines; InfluxDB answers when they can be queried."""
        body = "\n".join(lines).encode()
        self.server.request(
            "POST", "/api/v3/write_lp", body, db=self.name, precision="nanosecond", accept_partial="false"
        )

    def drop_measurement(self, name: str) -> None:
        self.server.request("DELETE", "/api/v3/configure/table", db=self.name, table=name)

    def drop(self) -> None:
        try:
            self.server.request("DELETE", "/api/v3/configure/database", db=self.name)
        except HTTPError as error:
            if error.code != 404:
                raise

    def source(self, protocol: Protocol = Protocol.FLIGHT) -> InfluxDB3Source:
        return self.server.source(self.name, protocol=protocol)
