"""Queries over `/api/v3/query_sql`, for networks that gRPC does not pass: rows as CSV, small answers as JSON."""

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
    """One connection, made when it is first used; threads may share it.

    Neither says types nor, of an answer without rows, columns: what is asked for has to be known.
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
            self._http.stream(self._request(csv_rows.query(sql, columns), "csv"), http) as answer,
            read_ahead(_rows(answer, columns, http), answer, http) as batches,
        ):
            yield SingleUseRows(columns, batches)

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small answer.

        Raises:
            SourceError: The query failed.
        """
        http = self._failures(failures)
        with self._http.stream(self._request(_with_plain_times(sql, columns), "json"), http) as answer:
            return in_time(lambda: json_rows.rows_at_once(answer, columns, http), answer, http)

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
    """The rows of an answer in the form that it is in: not every server has all forms, and errors are JSON in each.

    The first column is the time, whose name is no JSON.
    """
    chunks = iter(answer)
    first = next(chunks, b"")
    came = chain([first], chunks)
    if first.startswith(_JSON):
        yield from map(csv_rows.plain, json_rows.row_batches(came, columns, failures))
    else:
        yield from csv_rows.row_batches(came, columns, failures)


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
