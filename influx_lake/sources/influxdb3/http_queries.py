"""Queries over `/api/v3/query_sql`, for networks that gRPC does not pass: one JSON object per row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from influx_lake.config import InfluxDB3Config
from influx_lake.sources.http import HttpConnection, HttpFailures, Request
from influx_lake.sources.http.credentials import header_value
from influx_lake.sources.http.rows import in_time, read_ahead
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.influxdb3.json_rows import row_batches, rows_at_once
from influx_lake.sources.influxdb3.sql import identifier
from influx_lake.sources.single_use_rows import SingleUseRows


class HttpQueries:
    """One connection, made when it is first used; threads may share it.

    JSON says neither types nor, of an answer without rows, columns: what is asked for has to be known.
    """

    def __init__(self, config: InfluxDB3Config) -> None:
        self._config = config
        self._http = HttpConnection(config, self._headers)

    @contextmanager
    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> Iterator[SingleUseRows]:
        """Run a query. Leaving the context cancels it, if it still runs.

        Raises:
            SourceError: The query failed, here or while the answer is iterated.
        """
        http = self._failures(failures)
        with (
            self._http.stream(self._request(sql, columns, "jsonl"), http) as answer,
            read_ahead(row_batches(answer, columns, http), answer, http) as batches,
        ):
            yield SingleUseRows(columns, batches)

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small answer.

        Raises:
            SourceError: The query failed.
        """
        http = self._failures(failures)
        with self._http.stream(self._request(sql, columns, "json"), http) as answer:
            return in_time(lambda: rows_at_once(answer, columns, http), answer, http)

    def ping(self) -> dict[str, Any] | None:
        """What `/ping` says of the server."""
        said = self._http.ask(Request.get("/ping"), self._failures(Failures(self._config)))
        return said if isinstance(said, dict) else None

    def databases(self) -> list[str]:
        """The server's databases."""
        failures = self._failures(Failures(self._config))
        found = self._http.ask(Request.get("/api/v3/configure/database", format="json"), failures)
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise failures.odd("a list of databases was asked for, and something else came")
        return sorted(str(name) for entry in found for name in entry.values())

    def close(self) -> None:
        self._http.close()

    def _request(self, sql: str, columns: pa.Schema, form: str) -> Request:
        content = {"db": self._config.database, "q": _with_plain_times(sql, columns), "format": form}
        return Request.json("/api/v3/query_sql", content, accept="*/*")

    def _headers(self) -> Mapping[str, str]:
        return {} if self._config.token is None else header_value("Bearer", self._config.token, self._config)

    def _failures(self, failures: Failures) -> HttpFailures:
        return HttpFailures(
            self._config, failures.where, failures.of_text, measurement=failures.measurement, window=failures.window
        )


def _with_plain_times(sql: str, columns: pa.Schema) -> str:
    """The query with its times as integers: Arrow cannot read the text of the earliest ones."""
    if not any(map(pa.types.is_timestamp, columns.types)):
        return sql
    selected = [
        f"CAST({identifier(column.name)} AS BIGINT) AS {identifier(column.name)}"
        if pa.types.is_timestamp(column.type)
        else identifier(column.name)
        for column in columns
    ]
    return f'SELECT {", ".join(selected)} FROM ({sql}) AS "rows"'  # noqa: S608 - names are quoted
