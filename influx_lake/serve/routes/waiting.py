"""Responses that wait until a request has ended, or answer 202 with the path under which it is followed."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from influx_lake.replication.requests.request import Request as LoadRequest
from influx_lake.serve.problems import documented
from influx_lake.serve.routes.models import RequestView, location_of
from influx_lake.serve.service import Service

_POLL_SECONDS = 0.2

Wait = Annotated[bool, Query(description="`false`: answer at once, with 202 and a `Location` to follow.")]
FOLLOWED: dict[str, Any] = {
    "Location": {"description": "Where it is followed.", "schema": {"type": "string"}},
}
"""The OpenAPI description of the `Location` header of a 202 response."""
RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.ACCEPTED.value: {
        "model": RequestView,
        "description": "It goes on, and is followed at `Location`.",
        "headers": FOLLOWED,
    },
    **documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_GATEWAY),
}
"""The OpenAPI description of what a path that waits answers besides its result."""


async def ended(service: Service, request: LoadRequest, client: Request) -> LoadRequest:
    """Wait until a request has ended. It continues when the client disconnects or the service stops.

    Returns:
        The request as it is then.
    """
    while not request.state.is_final:
        if service.is_stopping or await client.is_disconnected():
            break
        await asyncio.sleep(_POLL_SECONDS)
        found: LoadRequest | None = await run_in_threadpool(service.journal.find, request.id)
        request = found or request
    return request


def later(request: LoadRequest) -> JSONResponse:
    """The response 202 of a request that continues, with its location."""
    view = RequestView.of(request).model_dump(mode="json")
    return JSONResponse(view, HTTPStatus.ACCEPTED, {"Location": location_of(request)})
