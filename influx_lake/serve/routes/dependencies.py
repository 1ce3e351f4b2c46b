"""Dependencies of routes: the service's state, and the check for unknown query parameters."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, Header, Request

from influx_lake.serve.problems import Problem
from influx_lake.serve.service import Service

_STRICT = ("/v1/", "/api/")


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


Served = Annotated[Service, Depends(_service)]
"""The service's state, as a FastAPI dependency."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A name of your choice for this request. Sent again with it and the same body, the request is not "
        "done again: the answer tells of the first one.",
    ),
]


def known_query(request: Request) -> None:
    """Refuse unknown query parameters.

    Raises:
        Problem: There is one.
    """
    path = getattr(request.scope.get("route"), "path", "")
    if not path.startswith(_STRICT):
        return
    operation = request.app.openapi()["paths"][path][request.method.lower()]
    known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    if unknown := sorted(request.query_params.keys() - known):
        takes = f"it takes {', '.join(sorted(known))}" if known else "it takes nothing"
        shown = ", ".join(name[:100] for name in unknown[:5])
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"the query has {shown}, which this path does not take: {takes}")
