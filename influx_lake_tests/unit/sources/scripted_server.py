"""A Flight server that answers what a test tells it to, also what no InfluxDB would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from influx_lake.config import InfluxDB3Config
from influx_lake.errors import SourceError
from influx_lake.sources.influxdb3 import InfluxDB3Source

TOKEN = "apiv3_not-to-be-seen"

Answer = Callable[[str, fl.ServerCallContext], fl.FlightDataStream]


class _Headers(fl.ServerMiddlewareFactory):
    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def start_call(self, info: fl.CallInfo, headers: dict[str, Any]) -> None:
        self.seen.append(headers)


class ScriptedServer(fl.FlightServerBase):
    """Answers each query with what `answer` makes of its SQL."""

    def __init__(self, location: str = "grpc://127.0.0.1:0", **options: Any) -> None:
        self._headers = _Headers()
        super().__init__(location, middleware={"headers": self._headers}, **options)
        self.answer: Answer = lambda sql, context: table_stream(pa.table({"Int64(1)": [1]}))
        self.tickets: list[dict[str, Any]] = []
        self.cancelled = threading.Event()

    @property
    def headers(self) -> list[dict[str, Any]]:
        return self._headers.seen

    @property
    def statements(self) -> list[str]:
        return [ticket["sql_query"] for ticket in self.tickets]

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        asked = json.loads(ticket.ticket)
        self.tickets.append(asked)
        return self.answer(asked["sql_query"], context)

    def answers(self, table: pa.Table) -> None:
        self.answer = lambda sql, context: table_stream(table)

    def streams(self, schema: pa.Schema, batches: Callable[[fl.ServerCallContext], Iterator[pa.RecordBatch]]) -> None:
        self.answer = lambda sql, context: fl.GeneratorStream(schema, batches(context))

    def fails(self, error: Exception) -> None:
        def answer(sql: str, context: fl.ServerCallContext) -> fl.FlightDataStream:
            raise error

        self.answer = answer

    def stays_open_after(self, batch: pa.RecordBatch, *more: pa.RecordBatch) -> None:
        """Send batches and then nothing, like a query that finds no more rows. `cancelled` tells when it was ended."""

        def endless(context: fl.ServerCallContext) -> Iterator[pa.RecordBatch]:
            pause = threading.Event()
            try:
                yield from (batch, *more)
                while not context.is_cancelled():
                    pause.wait(0.01)
            finally:
                self.cancelled.set()

        self.streams(batch.schema, endless)


def table_stream(table: pa.Table) -> fl.FlightDataStream:
    return fl.RecordBatchStream(table)


def source_at(host: str, **options: Any) -> InfluxDB3Source:
    patience = {"timeout": timedelta(seconds=20), "connect_timeout": timedelta(seconds=5)}
    return InfluxDB3Source(InfluxDB3Config(host=host, database="telemetry", token=TOKEN, **patience | options))


def failure_of(call: Callable[[], object]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        call()
    return caught.value
