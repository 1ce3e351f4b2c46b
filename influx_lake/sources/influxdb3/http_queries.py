"""Runs queries over `/api/v3/query_sql`, for networks that do not pass gRPC: rows as CSV, small results as JSON."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import pyarrow as pa

from influx_lake.config import InfluxDB3Config
from influx_lake.sources.http import ByteStream, HttpConnection, HttpFailures, Request
from influx_lake.sources.http.credentials import header_value
from influx_lake.sources.http.rows import in_time, read_ahead
from influx_lake.sources.influxdb3 import csv_rows, json_rows
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake.sql_quoting import identifier

_JSON = (b"{", b"[")


class HttpQueries:
    """A connection, made on first use; threads may share it.

    Responses have no types, and without rows no columns, so both have to be known.
    """

    def __init__(self, config: InfluxDB3Config) -> None:
        self._config = config
        self._http = HttpConnection(config, self._headers)

    @contextmanager
    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> Iterator[SingleUseRows]:
        """A context that runs a query; leaving it cancels a running one.

        Raises:
            SourceError: The query failed, here or during iteration.
        """
        http = self._failures(failures)
        with (
            self._http.stream(self._request(csv_rows.query(sql, columns), "csv"), http) as answer,
            read_ahead(_rows(answer, columns, http), answer, http) as batches,
        ):
            yield SingleUseRows(columns, batches)

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small result.

        Raises:
            SourceError: The query failed.
        """
        http = self._failures(failures)
        with self._http.stream(self._request(_with_plain_times(sql, columns), "json"), http) as answer:
            return in_time(lambda: json_rows.rows_at_once(answer, columns, http), answer, http)

    def ping(self) -> dict[str, Any] | None:
        """The response of `/ping`."""
        said = self._http.ask(Request.get("/ping"), self._failures(Failures(self._config)))
        return said if isinstance(said, dict) else None

    def databases(self) -> list[str]:
        """The server's databases."""
        failures = self._failures(Failures(self._config))
        found = self._http.ask(Request.get("/api/v3/configure/database", format="json"), failures)
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise failures.odd("the response is not a list of databases")
        return sorted(str(name) for entry in found for name in entry.values())

    def close(self) -> None:
        self._http.close()

    def _request(self, sql: str, form: str) -> Request:
        content = {"db": self._config.database, "q": sql, "format": form}
        return Request.json("/api/v3/query_sql", content, accept="*/*")

    def _headers(self) -> Mapping[str, str]:
        return {} if self._config.token is None else header_value("Bearer", self._config.token, self._config)

    def _failures(self, failures: Failures) -> HttpFailures:
        return HttpFailures(
            self._config, failures.where, failures.of_text, measurement=failures.measurement, window=failures.window
        )


def _rows(answer: ByteStream, columns: pa.Schema, failures: HttpFailures) -> Generator[pa.RecordBatch, None, None]:
    """The rows of a response in either format: not every server has both, and errors are JSON in each.

    In CSV the first column is the time, whose name does not look like JSON.
    """
    chunks = iter(answer)
    first = next(chunks, b"")
    received = chain([first], chunks)
    if first.startswith(_JSON):
        yield from map(csv_rows.plain, json_rows.row_batches(received, columns, failures))
    else:
        yield from csv_rows.row_batches(received, columns, failures)


def _with_plain_times(sql: str, columns: pa.Schema) -> str:
    """The query with its times as integers: Arrow cannot parse the text of the earliest times."""
    if not any(map(pa.types.is_timestamp, columns.types)):
        return sql
    selected = [
        f"CAST({identifier(column.name)} AS BIGINT) AS {identifier(column.name)}"
        if pa.types.is_timestamp(column.type)
        else identifier(column.name)
        for column in columns
    ]
    return f'SELECT {", ".join(selected)} FROM ({sql}) AS "rows"'  # noqa: S608 - names are quoted
