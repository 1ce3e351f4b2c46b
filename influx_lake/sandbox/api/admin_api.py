"""HTTP endpoints for health, management of databases and tables, and fault injection."""

from __future__ import annotations

import uuid
from importlib.metadata import version

import pyarrow as pa

from influx_lake.sandbox.api.formats import Format
from influx_lake.sandbox.api.http import Handler, HttpError, Request, Response
from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage.store import (
    BadDatabaseName,
    DatabaseExists,
    DatabaseNotFound,
    Store,
    TableNotFound,
    TooMany,
)

PRODUCT = "influx-lake sandbox (stands in for InfluxDB 3 Core)"


def admin_routes(store: Store, faults: Faults) -> dict[tuple[str, str], Handler]:
    """The handlers by method and path."""
    api = _AdminApi(store, faults)
    return {
        ("GET", "/health"): api.health,
        ("GET", "/api/v1/health"): api.health,
        ("GET", "/ping"): api.ping,
        ("HEAD", "/ping"): api.ping,
        ("POST", "/ping"): api.ping,
        ("GET", "/api/v3/configure/database"): api.databases,
        ("POST", "/api/v3/configure/database"): api.create_database,
        ("DELETE", "/api/v3/configure/database"): api.drop_database,
        ("DELETE", "/api/v3/configure/table"): api.drop_table,
        ("POST", "/sandbox/persist"): api.persist,
        ("GET", "/sandbox/faults"): api.show_faults,
        ("PUT", "/sandbox/faults"): api.set_faults,
        ("DELETE", "/sandbox/faults"): api.clear_faults,
    }


class _AdminApi:
    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._process_id = str(uuid.uuid4())
        self._version = version("influx-lake")

    def health(self, _request: Request) -> Response:
        return Response.of_text("OK")

    def ping(self, _request: Request) -> Response:
        content = {
            "product_name": PRODUCT,
            "version": self._version,
            "revision": "sandbox",
            "process_id": self._process_id,
        }
        request_id = str(uuid.uuid4())
        headers = {
            "Request-Id": request_id,
            "X-Request-Id": request_id,
            "X-Influxdb-Build": "Sandbox",
            "X-Influxdb-Version": self._version,
        }
        answer = Response.of_json(content)
        return Response(200, answer.body, answer.content_type, headers)

    def databases(self, request: Request) -> Response:
        named = request.params.get("format")
        if named is None:
            raise HttpError(400, "serde error: missing field `format`")
        try:
            chosen = Format.parse(named)
        except ValueError as problem:
            raise HttpError(400, f"serde error: {problem}") from problem
        names = pa.table({"iox::database": pa.array(self._store.database_names(), pa.string())})
        return Response(200, chosen.write(names.schema, names.to_batches()), chosen.content_type)

    def create_database(self, request: Request) -> Response:
        _require_json(request)
        content = request.json()
        if not isinstance(content, dict) or not isinstance(content.get("db"), str):
            raise HttpError(400, "serde json error: missing field `db`")
        try:
            self._store.create_database(content["db"])
        except BadDatabaseName as problem:
            return Response.of_json({"error": str(problem)}, 400)
        except DatabaseExists as problem:
            return Response.of_text(str(problem), 409)
        except TooMany as problem:
            return Response.of_json({"error": str(problem)}, 422)
        return Response(200)

    def drop_database(self, request: Request) -> Response:
        name = _required(request, "db")
        try:
            self._store.drop_database(name)
        except DatabaseNotFound:
            return Response.of_text(f"the requested resource was not found: {name}", 404)
        return Response(200)

    def drop_table(self, request: Request) -> Response:
        database, name = _required(request, "db"), _required(request, "table")
        try:
            self._store.drop_table(database, name)
        except DatabaseNotFound:
            return Response.of_text(f"the requested resource was not found: {database}", 404)
        except TableNotFound as problem:
            return Response.of_text(str(problem), 404)
        return Response(200)

    def persist(self, _request: Request) -> Response:
        """Persist everything, as a real server does every ten minutes or so."""
        self._store.checkpoint()
        return Response(200)

    def show_faults(self, _request: Request) -> Response:
        return Response.of_json(self._faults.as_dict())

    def set_faults(self, request: Request) -> Response:
        content = request.json()
        if not isinstance(content, dict):
            raise HttpError(400, "the faults have to be a JSON object")
        try:
            self._faults.update(**content)
        except (TypeError, ValueError) as problem:
            raise HttpError(400, str(problem)) from problem
        return self.show_faults(request)

    def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return self.show_faults(request)


def _required(request: Request, name: str) -> str:
    try:
        return request.params[name]
    except KeyError:
        raise HttpError(400, f"serde error: missing field `{name}`") from None


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given.split(";")[0].strip() != "application/json":
        raise HttpError(415, f"invalid content type, expected application/json, got: {given}")
