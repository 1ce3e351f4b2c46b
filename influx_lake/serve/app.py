"""The FastAPI application: its routes and error handlers, behind the gate."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from influx_lake import __version__
from influx_lake.errors import LakeError
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.metrics.exposition import registry_of
from influx_lake.serve.gate.gate import OPEN, Gate
from influx_lake.serve.problems import Problem, ProblemDetails, problem_of
from influx_lake.serve.readiness import Readiness
from influx_lake.serve.routes import changes, health, measurements, metrics, replicate, verify, windows
from influx_lake.serve.routes.dependencies import known_query
from influx_lake.serve.service import Service

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

log = logging.getLogger("influx_lake.serve")

ROUTERS = (
    *(health.router, metrics.router, measurements.router, windows.router, verify.router, replicate.router),
    changes.router,
)

_ABOUT = """\
Windows of InfluxDB measurements in Apache Iceberg tables: loaded, compared and looked at on demand. Errors are problem
details (RFC 9457)."""


def create_app(service: Service) -> FastAPI:
    """Create the application that serves a lake.

    Args:
        service: The state that the routes share.
    """
    app = FastAPI(
        title="influx_lake",
        version=__version__,
        description=_ABOUT,
        # The documentation pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known_query)],
    )
    app.state.service = service
    app.state.readiness = Readiness(service)
    app.state.metrics = registry_of(lambda: service.lake, lambda: _catalog(service))
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(LakeError, _lake_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Gate, options=service.options, tokens=service.tokens)
    app.openapi = lambda: _openapi(app, service)  # type: ignore[method-assign]
    return app


def _catalog(service: Service) -> Catalog:
    found = service.lake.catalog
    return open_catalog(found.name, found.properties(), found.lock_timeout)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.answer()


async def _lake_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, LakeError)
    return problem_of(error).answer()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST and error.__cause__ is not None:
        return Problem(HTTPStatus.BAD_REQUEST, f"the body cannot be read: {_unread(error.__cause__)}").answer()
    return Problem(HTTPStatus(error.status_code), error.detail, headers=error.headers).answer()


async def _invalid(_: Request, error: Exception) -> Response:
    """Describe the validation errors of a request, without the values, which may be secrets."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if broken := next((each for each in found if each["type"] == "json_invalid"), None):
        # The parser's expectation and position, without the content.
        why = f"{broken['ctx']['error']}, at character {broken['loc'][-1]}"
        return Problem(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {why}").answer()
    places = [{"location": ".".join(map(str, each["loc"])), "message": _message_of(each)} for each in found]
    detail = "; ".join(f"{each['location']}: {each['message']}" for each in places[:10])
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=places[:100]).answer()


def _unread(cause: BaseException) -> str:
    """Why a body could not be parsed, where the JSON parser does not say."""
    match cause:
        case UnicodeDecodeError():
            return f"it is no {cause.encoding.upper()}, at byte {cause.start}"
        case RecursionError():
            return "its lists and objects are nested too deep"
        case ValueError():
            return "it has a number with too many digits"
        case _:
            return f"unexpected {type(cause).__name__}"


def _message_of(error: dict[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["ProblemDetails"] = ProblemDetails.model_json_schema()
        if service.tokens.are_needed:
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
            for path in OPEN:
                for operation in schema["paths"].get(path, {}).values():
                    operation["security"] = []
        app.openapi_schema = schema
    return app.openapi_schema
