"""The statistics of an InfluxDB 1: `SHOW SHARDS`, `SHOW STATS`, `SHOW SERIES EXACT CARDINALITY`.

`SHOW STATS` has the current figures that the server also writes to `_internal`, and works if that database is disabled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

from influx_lake.config.connections import InfluxDB1Config
from influx_lake.errors import QueryRejected
from influx_lake.sources.http import HttpConnection, HttpFailures, Request
from influx_lake.sources.influxql import InfluxQLSource
from influx_lake.sources.influxql.server import InfluxDB1Server, recognised
from influx_lake.sources.influxql.statements import identifier
from influx_lake.sources.usage.server_statistics import MeasurementUsage, Part, Queries, SourceUsage, told

_SERIES = "series by measurement"
_SERVER = "the whole server, since it was started"


def usage_of_influxdb1(config: InfluxDB1Config, measurements: Sequence[str]) -> SourceUsage:
    """The statistics of the database; errors as of `usage_of`."""
    server = InfluxDB1Server(config)
    with closing(InfluxQLSource(server)) as source:
        there = set(source.measurements())
    with closing(HttpConnection(config, server.headers)) as connection:
        asking = _Asking(server, connection)
        policies = asking.policies()
        not_told = {
            "rows": "InfluxDB 1 does not count rows without reading them",
            "bytes by measurement": "InfluxDB 1 counts bytes by shard, and a shard holds all measurements of a time",
        }
        parts = told(not_told, "bytes", lambda: asking.shards(policies))
        series = told(not_told, "series", asking.series)
        queries = told(not_told, "queries", asking.queries)
        by_name = {name: told(not_told, _SERIES, partial(asking.cardinality, name)) for name in measurements}
    return SourceUsage(
        bytes=None if parts is None else sum(part.bytes for part in parts),
        series=series,
        queries=queries,
        parts=parts,
        measurements={name: MeasurementUsage(series=count) for name, count in by_name.items()},
        not_told=not_told,
        others=tuple(sorted(there - set(measurements))),
    )


class _Asking:
    """Asks for one figure at a time."""

    def __init__(self, server: InfluxDB1Server, connection: HttpConnection) -> None:
        self._server = server
        self._connection = connection
        self._database = server.config.database
        self._failures = server.failures()

    def policies(self) -> tuple[str, ...]:
        """The retention policies whose measurements the source reads."""
        rows = list(self._rows(f"SHOW RETENTION POLICIES ON {identifier(self._database)}"))
        if self._server.all_policies:
            return tuple(str(row["name"]) for row in rows)
        asked = self._server.config.retention_policy
        return tuple(str(row["name"]) for row in rows if (row["default"] if asked is None else row["name"] == asked))

    def shards(self, policies: tuple[str, ...]) -> tuple[Part, ...]:
        sizes = {
            str(row["id"]): row["diskBytes"]
            for row in self._rows("SHOW STATS FOR 'shard'")
            if row.get("database") == self._database
        }
        return tuple(
            Part(_moment(row["start_time"]), _moment(row["end_time"]), int(sizes[str(row["id"])]))
            for row in self._rows("SHOW SHARDS")
            if row["database"] == self._database and row["retention_policy"] in policies and str(row["id"]) in sizes
        )

    def series(self) -> int | None:
        rows = [row for row in self._rows("SHOW STATS FOR 'database'") if row.get("database") == self._database]
        return int(rows[0]["numSeries"]) if rows else None

    def queries(self) -> Queries | None:
        count = sum(int(row["queryReq"]) for row in self._rows("SHOW STATS FOR 'httpd'"))
        started = [row["started"] for row in self._rows("SHOW DIAGNOSTICS FOR 'system'")]
        return Queries(count, _moment(started[0]) if started else None, _SERVER)

    def cardinality(self, measurement: str) -> int | None:
        place = identifier(measurement)
        if self._server.all_policies:
            policy, _, name = measurement.partition(".")
            place = f"{identifier(policy)}.{identifier(name)}"
        statement = f"SHOW SERIES EXACT CARDINALITY ON {identifier(self._database)} FROM {place}"
        found = [int(row["count"]) for row in self._rows(statement)]
        return sum(found)

    def _rows(self, statement: str) -> Iterator[dict[str, Any]]:
        """The rows of a response, each with its tags."""
        answer = self._connection.ask(Request.form("/query", q=statement), self._failures)
        try:
            for result in answer["results"]:
                if "error" in result:
                    raise _refused(self._failures, str(result["error"]))
                for series in result.get("series", ()):
                    # A database without shards is a series without values.
                    for values in series.get("values", ()):
                        yield {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
        except (KeyError, TypeError, ValueError) as error:
            raise self._failures.odd(f"the response to {statement} is not as expected: {error}") from None


def _refused(failures: HttpFailures, message: str) -> Exception:
    known = recognised(failures.where, message, "Correct the source's `database`")
    return known or QueryRejected(f"{failures.where}: {message}")


def _moment(text: str) -> datetime:
    """Parse a time as InfluxDB formats it, to the nanosecond."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(UTC)
