"""Arrow Flight: `do_get` with InfluxDB's JSON ticket."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import flight

from influx_lake.sandbox.api import auth
from influx_lake.sandbox.api.feed import Feed, Stopped
from influx_lake.sandbox.faults import Faults, Status
from influx_lake.sandbox.query import influxql
from influx_lake.sandbox.query.query_errors import ExecutionError, QueryError
from influx_lake.sandbox.query.sql import Answer, plan
from influx_lake.sandbox.storage.store import DatabaseNotFound, Store

_DATABASE_KEYS = ("database", "namespace_name", "bucket", "bucket-name")


class _Quiet:
    """An exception that ends a call without a traceback in the gRPC message."""

    @property
    def __cause__(self) -> BaseException | None:
        """Raise: Arrow formats the traceback into the message, unless formatting fails."""
        raise AttributeError


class InvalidArgument(_Quiet, pa.ArrowInvalid):  # type: ignore[misc]
    """Ends a call with INVALID_ARGUMENT."""


class Unimplemented(_Quiet, pa.ArrowNotImplementedError):  # type: ignore[misc]
    """Ends a call with UNIMPLEMENTED."""


class Unknown(_Quiet, RuntimeError):  # type: ignore[override]
    """Ends a call with UNKNOWN."""


_ERRORS: dict[Status, Callable[[str], Exception]] = {
    Status.UNAVAILABLE: flight.FlightUnavailableError,
    Status.INTERNAL: flight.FlightInternalError,
    Status.UNAUTHENTICATED: flight.FlightUnauthenticatedError,
    Status.PERMISSION_DENIED: flight.FlightUnauthorizedError,
    Status.CANCELLED: flight.FlightCancelledError,
    Status.DEADLINE_EXCEEDED: flight.FlightTimedOutError,
    Status.UNKNOWN: Unknown,
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """The query in a client's ticket."""

    database: str
    query: str
    language: str
    params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes) -> Ticket:
        """Parse the JSON form.

        Raises:
            pyarrow.ArrowInvalid: if it is not valid.
        """
        try:
            content = json.loads(payload)
            database = next(content[key] for key in _DATABASE_KEYS if key in content)
            language = content.get("query_type", "sql")
            return cls(database, content["sql_query"], language, content.get("params") or {})
        except (ValueError, KeyError, StopIteration, AttributeError, TypeError) as problem:
            raise InvalidArgument("Invalid ticket. Error: Invalid ticket") from problem


class _Authentication(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    def __init__(self, token: str | None, faults: Faults) -> None:
        self._token = token
        self._faults = faults

    def start_call(self, _info: flight.CallInfo, headers: dict[str, list[str]]) -> None:
        if self._faults.unavailable:
            raise flight.FlightUnavailableError("the sandbox is unavailable (injected fault)")
        header = next((values[0] for name, values in headers.items() if name.lower() == "authorization"), None)
        verdict = auth.check(self._token, header)
        if verdict is not auth.Verdict.ACCEPTED or self._faults.unauthenticated:
            raise flight.FlightUnauthenticatedError("Unauthenticated")


def bracketed(host: str) -> str:
    """A host as part of an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


class FlightServer(flight.FlightServerBase):  # type: ignore[misc]
    """Serves queries. Only `do_get` is implemented, which is all that InfluxDB's own clients need.

    Args:
        host: Where to listen; any free port is used.
        store: The data.
        token: The token that clients must present, if any.
        faults: The faults to inject.
        keep_alive: Seconds after which an empty batch is sent if no rows were ready.
    """

    def __init__(self, host: str, store: Store, token: str | None, faults: Faults, keep_alive: float) -> None:
        super().__init__(f"grpc://{bracketed(host)}:0", middleware={"auth": _Authentication(token, faults)})
        self._store = store
        self._faults = faults
        self._keep_alive = keep_alive
        self._feeds: weakref.WeakSet[Feed] = weakref.WeakSet()
        self.cut_connections: Callable[[], None] = lambda: None

    def shutdown(self) -> None:
        """End all streams and stop serving."""
        for feed in list(self._feeds):
            feed.stop()
        super().shutdown()

    def do_get(self, _context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        parsed = Ticket.parse(ticket.ticket)
        answer = self._plan(parsed)
        feed = Feed(answer.batches(), answer.schema, self._keep_alive, lambda: self._faults.batch_delay)
        self._feeds.add(feed)
        return flight.GeneratorStream(answer.schema, self._stream(feed))

    def _plan(self, parsed: Ticket) -> Answer | influxql.Listing:
        try:
            if parsed.language == "influxql":
                return influxql.answer(self._store, parsed.database, parsed.query)
            return plan(self._store.database(parsed.database), parsed.query, parsed.params, self._faults)
        except DatabaseNotFound as problem:
            raise flight.FlightInternalError(f"Cannot retrieve database: External error: {problem}") from problem
        except influxql.NotSupported as problem:
            raise Unimplemented(str(problem)) from problem
        except QueryError as problem:
            doing = "planning" if problem.external else "logically planning"
            message = f"Error while {doing} query: {problem}"
            raise (flight.FlightInternalError if problem.external else InvalidArgument)(message) from problem

    def _stream(self, feed: Feed) -> Iterator[pa.RecordBatch]:
        """The rows, with empty batches that keep idle connections open, and with the active faults."""
        sent = 0
        try:
            for batch in feed:
                yield from self._disturbed(batch, sent)
                sent += batch.num_rows
        except ExecutionError as problem:
            raise flight.FlightInternalError(str(problem)) from problem
        except Stopped as problem:
            raise flight.FlightUnavailableError("the sandbox is stopping") from problem

    def _disturbed(self, batch: pa.RecordBatch, sent: int) -> Iterator[pa.RecordBatch]:
        for limit, fail in ((self._faults.fail_after_rows, self._fail), (self._faults.drop_after_rows, self._drop)):
            if limit is not None and sent + batch.num_rows >= limit >= sent and self._faults.take_break():
                if limit > sent:
                    yield batch.slice(0, limit - sent)
                fail()
        yield batch

    def _fail(self) -> None:
        raise _ERRORS[self._faults.fail_status]("the stream of the sandbox failed (injected fault)")

    def _drop(self) -> None:
        self.cut_connections()
        raise flight.FlightUnavailableError("the sandbox dropped the connection (injected fault)")
