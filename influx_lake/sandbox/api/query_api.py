"""HTTP endpoints of the v3 query API."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from influx_lake.sandbox.api.formats import Format
from influx_lake.sandbox.api.http import Handler, HttpError, Request, Response
from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.query import influxql
from influx_lake.sandbox.query.query_errors import QueryError
from influx_lake.sandbox.query.sql import Answer, plan
from influx_lake.sandbox.storage.store import DatabaseNotFound, Store


def query_routes(store: Store, faults: Faults) -> dict[tuple[str, str], Handler]:
    """The handlers by method and path."""
    api = _QueryApi(store, faults)
    return {
        (method, path): handler
        for method in ("GET", "POST")
        for path, handler in (("/api/v3/query_sql", api.sql), ("/api/v3/query_influxql", api.influxql))
    }


@dataclass(frozen=True, slots=True)
class _Query:
    database: str | None
    text: str
    format: Format
    params: dict[str, Any] = field(default_factory=dict)


class _QueryApi:
    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def sql(self, request: Request) -> Response:
        query = _parse(request)
        if query.database is None:
            raise HttpError(400, "missing query parameters 'db' and 'q'")
        try:
            database = self._store.database(query.database)
            return _respond(plan(database, query.text, query.params, self._faults), query.format)
        except DatabaseNotFound as problem:
            return _unknown_database(problem)
        except QueryError as problem:
            # If a value cannot be computed, the real server may already have sent its 200, and truncates the body.
            return Response.of_text(str(problem), 400 if _is_of_the_statement(str(problem)) else 500)

    def influxql(self, request: Request) -> Response:
        query = _parse(request)
        try:
            return _respond(influxql.answer(self._store, query.database, query.text), query.format)
        except DatabaseNotFound as problem:
            return _unknown_database(problem)
        except influxql.NotSupported as problem:
            return Response.of_text(str(problem), 501)


def _is_of_the_statement(problem: str) -> bool:
    """Whether InfluxDB 3 Core 3.10 responds with 400: only for what DataFusion calls errors of planning and of SQL."""
    return problem.rpartition("\ncaused by\n")[2].startswith(("Error during planning", "SQL error"))


def _parse(request: Request) -> _Query:
    """Parse a query from the parameters of a GET or the JSON of a POST."""
    if request.method == "POST":
        content = request.json()
        params = content.get("params") or {} if isinstance(content, dict) else {}
    else:
        if not request.has_query:
            raise HttpError(400, "missing query parameters 'db' and 'q'")
        content = request.params
        try:
            params = json.loads(content.get("params") or "{}")
        except ValueError as problem:
            raise HttpError(400, f"serde json error: {problem}") from problem
    if not isinstance(content, dict) or not isinstance(content.get("q"), str):
        raise HttpError(400, "missing query parameters 'db' and 'q'")
    try:
        named = content.get("format")
        chosen = Format.parse(named) if named else Format.accepted(request.headers.get("accept"))
    except ValueError as problem:
        raise HttpError(400, str(problem)) from problem
    return _Query(content.get("db"), content["q"], chosen, params)


def _respond(answer: Answer | influxql.Listing, chosen: Format) -> Response:
    """Stream the rows. The first batch is awaited, so that a query that fails at once gets an error status."""
    batches = answer.batches()
    first = list(itertools.islice(batches, 1))
    parts = chosen.write(answer.schema, _rows(itertools.chain(first, batches)))
    return Response(200, parts, chosen.content_type)


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (batch for batch in batches if batch.num_rows)


def _unknown_database(problem: DatabaseNotFound) -> Response:
    return Response.of_json({"error": f"query error: {problem}"}, 404)
