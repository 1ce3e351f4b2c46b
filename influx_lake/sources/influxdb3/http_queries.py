"""Queries over `/api/v3/query_sql`, for networks that gRPC does not pass: one JSON object per row."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from influx_lake.config import InfluxDB3Config
from influx_lake.sources.http import ByteStream, HttpConnection, HttpFailures, Request
from influx_lake.sources.http.credentials import header_value
from influx_lake.sources.http.rows import HttpRows, read_ahead
from influx_lake.sources.influxdb3.answer import Answer
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.influxdb3.sql import identifier

_BYTES_AT_ONCE = 1 << 20


class HttpQueries:
    """One connection, made when it is first used; threads may share it.

    JSON says neither types nor, of an answer without rows, columns: what is asked for has to be known.
    """

    def __init__(self, config: InfluxDB3Config) -> None:
        self._config = config
        self._http = HttpConnection(config, self._headers)

    @contextmanager
    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> Iterator[Answer]:
        """Run a query. Leaving the context cancels it, if it still runs.

        Raises:
            SourceError: The query failed, here or while the answer is iterated.
        """
        http = self._failures(failures)
        content = {"db": self._config.database, "q": _with_plain_times(sql, columns), "format": "jsonl"}
        request = Request.json("/api/v3/query_sql", content, accept="*/*")
        with (
            self._http.stream(request, http) as answer,
            read_ahead(_batches(answer, columns, http), answer, self._config) as batches,
        ):
            yield Answer(columns, iter(HttpRows(columns, batches, http)))

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small answer.

        Raises:
            SourceError: The query failed.
        """
        with self.stream(sql, failures, columns) as answer:
            return pa.Table.from_batches(answer, answer.schema)

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


def _batches(answer: ByteStream, columns: pa.Schema, failures: HttpFailures) -> Generator[pa.RecordBatch, None, None]:
    from pyarrow import json

    came = pa.schema(
        [pa.field(each.name, pa.int64() if pa.types.is_timestamp(each.type) else each.type) for each in columns]
    )
    parse = json.ParseOptions(explicit_schema=came, unexpected_field_behavior="error")
    for text in _whole_lines(answer):
        try:
            read = json.ReadOptions(use_threads=False, block_size=len(text) + 1)
            table = json.read_json(pa.py_buffer(text), read_options=read, parse_options=parse)
        except pa.ArrowInvalid as error:
            raise failures.truncated(f"a row cannot be read: {error}") from None
        yield from table.select(columns.names).cast(columns).combine_chunks().to_batches()


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream, cut at the ends of lines: JSON escapes those in texts."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        pending.append(chunk)
        size += len(chunk)
        if size >= _BYTES_AT_ONCE and b"\n" in chunk:
            text, _, rest = b"".join(pending).rpartition(b"\n")
            yield text
            pending, size = [rest], len(rest)
    if text := b"".join(pending).strip():
        yield text
