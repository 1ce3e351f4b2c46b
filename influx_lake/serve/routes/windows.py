"""`/v1/windows`: requests to load windows, and their progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from time import monotonic
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from influx_lake.config.redaction import redacted
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.requests.request import Event, Kind, Request, State
from influx_lake.serve.problems import Problem, documented
from influx_lake.serve.routes.dependencies import IdempotencyKey, Served
from influx_lake.serve.routes.models import (
    PATH,
    Body,
    Compare,
    Id,
    Moment,
    Name,
    RequestAndWindows,
    Requests,
    RequestView,
    WindowView,
    location_of,
)
from influx_lake.serve.routes.waiting import FOLLOWED
from influx_lake.serve.service import Service
from influx_lake.serve.work.planning import check_request

router = APIRouter(prefix=PATH, tags=["windows"])

_POLL_SECONDS = 0.5
_HEARTBEAT_SECONDS = 15.0
_LAST_EVENT = 2**63 - 1


class AskedWindows(Body):
    """Windows to load, each replaced in its table by the source's rows."""

    measurements: list[Name] = Field(
        min_length=1, max_length=10_000, description="By name or by table; `*` is all of them.", examples=[["cpu"]]
    )
    start: Moment | None = Field(default=None, description="Not before this time; UTC where it has no zone.")
    end: Moment | None = Field(
        default=None, description="Before this time. A bound inside a partition takes the whole partition."
    )
    only: Literal["missing", "differing"] | None = Field(
        default=None,
        description="`missing`: what is not loaded yet, which is the rule where no time is given; `differing`: what "
        "has other rows than its source. Default: every window of the range.",
    )
    compare: Compare = Field(default=Depth.ROWS, description="What `differing` is told by.")
    replace: bool = Field(
        default=False,
        description="Have the source's rows alone in the windows, whatever `write.mode` and `on_shrink` say. Needs "
        "`start` and `end`.",
    )


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        HTTPStatus.ACCEPTED.value: {"headers": FOLLOWED},
        **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    },
)
def load(body: AskedWindows, service: Served, response: Response, key: IdempotencyKey = None) -> RequestView:
    """Request the load of windows. The response comes at once, with the path to follow it."""
    request_body = body.model_dump(mode="json")
    check_request(service.lake, request_body)
    # A run of an asset always uses the mode of lake.yaml.
    request = service.accept(Kind.LOAD, request_body, key, own=body.replace)
    response.headers["Location"] = location_of(request)
    return RequestView.of(request)


@router.get("", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
def requests(
    service: Served,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Not more than these.")] = 100,
    after: Annotated[Id | None, Query(description="Only those that came before this one.")] = None,
) -> Requests:
    """List requests, newest first."""
    found = service.journal.requests(state=state, limit=limit + 1, after=after)
    more = len(found) > limit
    return Requests(
        requests=[RequestView.of(each) for each in found[:limit]], next=found[limit - 1].id if more else None
    )


@router.get("/{id}", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY))
def request(
    id: Annotated[Id, Path(description="Names the request.")],  # noqa: A002 - as clients call it
    service: Served,
    state: Annotated[State | None, Query(description="Only windows in this state.")] = None,
    first: Annotated[int, Query(ge=0, le=10**9, description="From the window with this number on.")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Not more windows than these.")] = 1_000,
) -> RequestAndWindows:
    """Show a request with its windows."""
    found = _found(service, id)
    windows = service.journal.windows(id, state=state, first=first, limit=limit + 1)
    shown = [WindowView.of(each) for each in windows[:limit]]
    more = windows[limit].number if len(windows) > limit else None
    return RequestAndWindows(**RequestView.of(found).model_dump(), items=shown, next=more)


@router.delete(
    "/{id}",
    status_code=HTTPStatus.ACCEPTED,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def cancel(
    id: Annotated[Id, Path(description="Names the request.")],  # noqa: A002
    service: Served,
) -> RequestView:
    """Cancel a request. A window under way is finished; loaded windows stay."""
    found = _found(service, id)
    if not service.journal.cancel(id):
        raise Problem(HTTPStatus.CONFLICT, f"request {id} has ended already: it is {found.state}")
    service.wake()
    return RequestView.of(_found(service, id))


@router.get(
    "/{id}/events",
    response_class=StreamingResponse,
    responses={
        HTTPStatus.OK.value: {
            "description": "Server-sent events, until the request has ended: `waiting`, `running`, `planned`, "
            "`window_running`, `progress`, `window_done`, `window_failed`, `resumed`, then `done`, `failed` or "
            "`canceled`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    },
)
def events(
    id: Annotated[Id, Path(description="Names the request.")],  # noqa: A002
    service: Served,
    last: Annotated[
        int | None, Header(alias="Last-Event-ID", ge=0, le=_LAST_EVENT, description="Only events after this one.")
    ] = None,
) -> StreamingResponse:
    """Stream the events of a request, including earlier ones."""
    _found(service, id)
    return StreamingResponse(_stream(service, id, last or 0), media_type="text/event-stream")


async def _stream(service: Service, request: str, last: int) -> AsyncIterator[str]:
    last_event = monotonic()
    while True:
        # The state is read before the events, so that none is missed.
        found = await run_in_threadpool(service.journal.find, request)
        new = await run_in_threadpool(service.journal.events, request, last)
        for event in new:
            yield _written(event)
            last, last_event = event.number, monotonic()
        if not new:
            if found is None or found.state.is_final or service.is_stopping:
                return
            if monotonic() - last_event >= _HEARTBEAT_SECONDS:
                yield ": still there\n\n"
                last_event = monotonic()
            await asyncio.sleep(_POLL_SECONDS)


def _written(event: Event) -> str:
    return f"id: {event.number}\nevent: {event.name}\ndata: {json.dumps(redacted(dict(event.data)))}\n\n"


def _found(service: Service, request: str) -> Request:
    found = service.journal.find(request)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no request {request}, or it is forgotten (`serve.limits.kept`)")
    return found
