"""HTTP endpoints of the v3, v2 and v1 write APIs, which differ in parameters, strictness and errors."""

from __future__ import annotations

from dataclasses import asdict

from influx_lake.sandbox.api.http import Handler, HttpError, Request, Response
from influx_lake.sandbox.storage.precision import Precision
from influx_lake.sandbox.storage.store import BadDatabaseName, EmptyWrite, Store, StoreError, TooMany, WriteRejected

_LIMIT_MESSAGES = ("Update to schema would exceed number of", "Adding a new database would exceed limit of")


def write_routes(store: Store) -> dict[tuple[str, str], Handler]:
    """The handlers by method and path."""
    api = _WriteApi(store)
    return {
        ("POST", "/api/v3/write_lp"): api.v3,
        ("POST", "/api/v2/write"): api.v2,
        ("POST", "/write"): api.v1,
    }


class _WriteApi:
    def __init__(self, store: Store) -> None:
        self._store = store

    def v3(self, request: Request) -> Response:
        """`/api/v3/write_lp`: bad lines are reported, and the others stored unless `accept_partial` is false."""
        if not request.has_query or "db" not in request.params:
            raise HttpError(400, "missing query parameter 'db'")
        precision = _precision(request.params.get("precision", "auto"))
        partial = _flag(request, "accept_partial", default=True)
        no_sync = _flag(request, "no_sync", default=False)
        try:
            self._store.write(request.params["db"], _text(request), precision, partial, no_sync)
        except WriteRejected as problem:
            return _rejected(problem)
        except TooMany as problem:
            return Response.of_json({"error": str(problem)}, 422)
        except EmptyWrite as problem:
            return Response.of_text(str(problem), 400)
        except BadDatabaseName as problem:
            return Response.of_json({"error": str(problem)}, 400)
        return Response(204)

    def v2(self, request: Request) -> Response:
        """`/api/v2/write`: all or nothing; errors have a code and a message."""
        try:
            self._legacy(request, _destination(request, "bucket"))
        except HttpError as problem:
            code = "request too large" if problem.status == 413 else "invalid"
            return Response.of_json({"code": code, "message": str(problem)}, problem.status)
        except StoreError as problem:
            return Response.of_json({"code": "invalid", "message": _legacy_message(problem)}, 400)
        return Response(204)

    def v1(self, request: Request) -> Response:
        """`/write`: all or nothing; errors have an `error`."""
        try:
            _refuse_policy(request)
            self._legacy(request, _destination(request, "db"))
        except HttpError as problem:
            return Response.of_json({"error": str(problem)}, problem.status)
        except StoreError as problem:
            return Response.of_json({"error": _legacy_message(problem)}, 400)
        return Response(204)

    def _legacy(self, request: Request, database: str) -> None:
        precision = _precision(request.params.get("precision", "ns"))
        self._store.write(database, _text(request), precision, accept_partial=False)


def _rejected(problem: WriteRejected) -> Response:
    lines = [asdict(line) for line in problem.rejected]
    limit_hit = any(line.error_message.startswith(_LIMIT_MESSAGES) for line in problem.rejected)
    status = 422 if limit_hit else 400
    if problem.partial:
        return Response.of_json({"error": "partial write of line protocol occurred", "data": lines}, status)
    return Response.of_json({"error": "line protocol parsing error", "data": lines[0]}, status)


def _legacy_message(problem: StoreError) -> str:
    match problem:
        case WriteRejected():
            return f"write buffer error: line protocol parse failed: {problem.rejected[0].error_message}"
        case EmptyWrite() | TooMany():
            return f"write buffer error: {problem}"
        case _:
            return str(problem)


def _destination(request: Request, name: str) -> str:
    if not (value := request.params.get(name)):
        raise HttpError(400, f"no {name} destination provided")
    return value


def _refuse_policy(request: Request) -> None:
    policy = request.params.get("rp", "")
    if policy not in ("", "autogen", "default"):
        raise HttpError(400, f"the sandbox has no retention policies; write without rp={policy}")


def _text(request: Request) -> str:
    try:
        return request.read_body().decode()
    except UnicodeDecodeError as problem:
        raise HttpError(400, f"body content is not valid utf8: {problem}") from problem


def _precision(text: str) -> Precision:
    try:
        return Precision.parse(text)
    except ValueError as problem:
        raise HttpError(400, str(problem)) from problem


def _flag(request: Request, name: str, default: bool) -> bool:
    match request.params.get(name):
        case None:
            return default
        case "true":
            return True
        case "false":
            return False
        case other:
            raise HttpError(400, f"serde error: {name}: provided string was not `true` or `false`: {other}")
