"""The differences between servers that speak InfluxQL: credentials, and where measurements are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from influx_lake.config import redact
from influx_lake.config.connections import InfluxDB1Config, InfluxDB2Config, ServerConfig
from influx_lake.config.connections.influxdb1 import ALL_RETENTION_POLICIES
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    AuthenticationFailed,
    DatabaseNotFound,
    ResultLimitExceeded,
    SourceError,
    SourceTimeout,
    SourceUnavailable,
)
from influx_lake.sources.http import HttpConnection, HttpFailures, Request
from influx_lake.sources.http.credentials import basic, header_value
from influx_lake.sources.influxql.statements import Place
from influx_lake.sources.protocol import ServerInfo

_PAGE = 100
_LONGEST_SHARD = timedelta(days=36_525) // timedelta(seconds=1)
_NO_DATABASE = re.compile(r"database not found|bucket .*not found|could not find bucket", re.IGNORECASE)
_NO_POLICY = re.compile(r"retention policy not found", re.IGNORECASE)
_TOO_MUCH = re.compile(
    # InfluxDB 1 writes it with three letters e.
    r"max-select-(?:point|series|buckets?) limit exce+d|max select (?:point|series)|memory allocation limit reached",
    re.IGNORECASE,
)
_TIME_IS_UP = re.compile(r"query[- ]timeout|timeout limit exceeded|deadline exceeded|i/o timeout", re.IGNORECASE)
_FOR_NOW = re.compile(
    r"query (?:killed|interrupted)|engine is closed|max-concurrent-queries|queue length exceeded|shutting down|"
    r"server closed|context canceled|unexpected EOF|connection (?:refused|reset)|too many open files",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"not authorized|unauthorized|authorization failed|unable to parse authentication", re.IGNORECASE
)


class InfluxQLServer(Protocol):
    """A server with a `/query` endpoint, and the database that is read."""

    @property
    def config(self) -> ServerConfig: ...

    @property
    def identity(self) -> str:
        """The address of this database, without credentials."""
        ...

    @property
    def all_policies(self) -> bool:
        """Whether the measurements of all retention policies are read, named `policy.measurement`."""
        ...

    def headers(self) -> Mapping[str, str]:
        """The credentials, as headers."""
        ...

    def place(self, connection: HttpConnection) -> Place:
        """The database and retention policy of the measurements.

        Raises:
            SourceError: They cannot be determined.
        """
        ...

    def about(self, connection: HttpConnection) -> ServerInfo:
        """The product and version that the server reports."""
        ...

    def failures(self, measurement: str | None = None, window: Window | None = None) -> HttpFailures:
        """The factory for the errors of a request."""
        ...


class InfluxDB1Server:
    """An InfluxDB 1."""

    def __init__(self, config: InfluxDB1Config) -> None:
        self.config = config

    @property
    def identity(self) -> str:
        policy = f"/{self.config.retention_policy}" if self.config.retention_policy else ""
        return f"influxdb1://{self.config.address}/{self.config.database}{policy}"

    @property
    def all_policies(self) -> bool:
        return self.config.retention_policy == ALL_RETENTION_POLICIES

    def headers(self) -> Mapping[str, str]:
        if self.config.token is not None:
            return header_value("Bearer", self.config.token, self.config)
        if self.config.username is not None and self.config.password is not None:
            return basic(self.config.username, self.config.password)
        return {}

    def place(self, connection: HttpConnection) -> Place:  # noqa: ARG002 - known without asking
        return Place(self.config.database, None if self.all_policies else self.config.retention_policy)

    def about(self, connection: HttpConnection) -> ServerInfo:
        _, headers, _ = connection.look("/ping", self.failures())
        return ServerInfo("InfluxDB", headers.get("X-Influxdb-Version", "1, version unknown").removeprefix("v"))

    def failures(self, measurement: str | None = None, window: Window | None = None) -> HttpFailures:
        where = f"InfluxDB 1 at {self.config.address}, database {self.config.database!r}"
        return HttpFailures(
            self.config,
            where,
            lambda message: recognised(where, message, "Correct the source's `database` and `retention_policy`"),
            measurement,
            window,
        )


class InfluxDB2Server:
    """An InfluxDB 2, where a DBRP mapping gives a bucket a name in InfluxQL."""

    def __init__(self, config: InfluxDB2Config) -> None:
        self.config = config
        self._place: Place | None = None

    @property
    def identity(self) -> str:
        return f"influxdb2://{self.config.address}/{self.config.org}/{self.config.bucket}"

    @property
    def all_policies(self) -> bool:
        return False

    def headers(self) -> Mapping[str, str]:
        return {} if self.config.token is None else header_value("Token", self.config.token, self.config)

    def place(self, connection: HttpConnection) -> Place:
        if self._place is None:
            if self.config.dbrp is not None:
                database, _, policy = self.config.dbrp.partition("/")
                self._place = Place(database, policy)
            else:
                self._place = self._mapped(connection)
        return self._place

    def about(self, connection: HttpConnection) -> ServerInfo:
        said = connection.ask(Request.get("/health"), self.failures())
        version = said.get("version") if isinstance(said, dict) else None
        return ServerInfo("InfluxDB", str(version or "2, version unknown").removeprefix("v"))

    def failures(self, measurement: str | None = None, window: Window | None = None) -> HttpFailures:
        where = f"InfluxDB 2 at {self.config.address}, bucket {self.config.bucket!r}"
        return HttpFailures(
            self.config,
            where,
            lambda message: recognised(where, message, "Correct the source's `org`, `bucket` and `dbrp`"),
            measurement,
            window,
        )

    def buckets(self) -> list[str]:
        """The names of the organization's buckets."""
        connection, names = HttpConnection(self.config, self.headers), list[str]()
        try:
            while True:
                page = Request.get("/api/v2/buckets", org=self.config.org, limit=str(_PAGE), offset=str(len(names)))
                failures = self.failures()
                found = [_text(bucket, "name", failures) for bucket in _listed("buckets", connection, page, failures)]
                if set(found) & set(names):
                    raise failures.odd("the second page of the list of buckets repeats the first one")
                names += found
                if len(found) < _PAGE:
                    return sorted(names)
        finally:
            connection.close()

    def shard_length(self, connection: HttpConnection) -> timedelta | None:
        """The length of the bucket's newest shards; None if the server does not report it, or not to this token."""
        failures = self.failures()
        try:
            rules = self._bucket(connection, failures).get("retentionRules") or [{}]
        except (AuthenticationFailed, DatabaseNotFound):
            return None
        if not isinstance(rules, list) or not isinstance(rules[0], dict):
            raise failures.odd("the bucket's `retentionRules` are not a list of objects")
        seconds = rules[0].get("shardGroupDurationSeconds") or 0
        if type(seconds) is not int or not 0 <= seconds <= _LONGEST_SHARD:
            raise failures.odd(f"the bucket's shardGroupDurationSeconds is {seconds!r}")
        return timedelta(seconds=seconds) if seconds else None

    def bucket_id(self, connection: HttpConnection) -> str:
        """The bucket's ID.

        Raises:
            SourceError: There is no such bucket, or the token may not read it.
        """
        failures = self.failures()
        return _text(self._bucket(connection, failures), "id", failures)

    def is_mapped(self, connection: HttpConnection) -> bool:
        """Whether `dbrp` is one of the names that the bucket has in InfluxQL."""
        failures, bucket, place = self.failures(), self.bucket_id(connection), self.place(connection)
        asked = Request.get("/api/v2/dbrps", org=self.config.org, bucketID=bucket)
        return any(
            (each.get("bucketID"), each.get("database"), each.get("retention_policy"))
            == (bucket, place.database, place.policy)
            for each in _listed("content", connection, asked, failures)
        )

    def _mapped(self, connection: HttpConnection) -> Place:
        """The bucket's name in InfluxQL; the one of its default mapping if there are several."""
        failures = self.failures()
        bucket = self.bucket_id(connection)
        asked = Request.get("/api/v2/dbrps", org=self.config.org, bucketID=bucket)
        mappings = _listed("content", connection, asked, failures)
        # Older servers return the mappings of all buckets.
        own = [mapping for mapping in mappings if mapping.get("bucketID") == bucket]
        if not own:
            raise DatabaseNotFound(
                f"{failures.where}: the bucket has no DBRP mapping, so InfluxQL cannot address it",
                remedy=f"Make one: influx v1 dbrp create --org {self.config.org} --bucket-id {bucket} "
                f"--db {self.config.bucket} --rp autogen --default. Or set query_language: flux",
            )
        best = min(own, key=lambda mapping: (not mapping.get("default"), bool(mapping.get("virtual"))))
        return Place(_text(best, "database", failures), _text(best, "retention_policy", failures))

    def _bucket(self, connection: HttpConnection, failures: HttpFailures) -> dict[str, Any]:
        asked = Request.get("/api/v2/buckets", org=self.config.org, name=self.config.bucket)
        for bucket in _listed("buckets", connection, asked, failures):
            if bucket.get("name") == self.config.bucket:
                return dict(bucket)
        raise DatabaseNotFound(
            f"{failures.where}: there is no such bucket in {self.config.org}, or the token may not read it",
            remedy="Correct the source's `org`, `bucket` and `token`; a token that may not list buckets needs `dbrp`",
        )


def _listed(what: str, connection: HttpConnection, asked: Request, failures: HttpFailures) -> list[dict[str, Any]]:
    """Request a list of the server's API; a response without it is an error, not an empty list."""
    answer = connection.ask(asked, failures)
    listed = answer.get(what) if isinstance(answer, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise failures.odd(f"the response of {asked.path.partition('?')[0]} has no list of {what}")
    return listed


def _text(entry: Mapping[str, Any], name: str, failures: HttpFailures) -> str:
    """A non-empty string of an entry of such a list."""
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise failures.odd(f"an entry of the list has no {name}")
    return value


def recognised(where: str, message: str, where_to_look: str) -> SourceError | None:
    """The specific error for a message of InfluxDB 1 or 2; None if it is only a refused query."""
    said = f"{where}: {redact(message)}"
    if _NO_DATABASE.search(message) or _NO_POLICY.search(message):
        return DatabaseNotFound(said, remedy=where_to_look)
    if _TOO_MUCH.search(message):
        return ResultLimitExceeded(said, remedy="Read shorter windows (longest_query), or raise the server's limit")
    if _TIME_IS_UP.search(message):
        return SourceTimeout(said, remedy="Try again, or read shorter windows (longest_query)")
    if _FOR_NOW.search(message):
        return SourceUnavailable(said, remedy="Try again later")
    if _FORBIDDEN.search(message):
        return AuthenticationFailed(said, remedy="Correct the source's credentials, or grant them read access")
    return None
