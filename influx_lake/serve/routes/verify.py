"""`/v1/verify`: compares windows of the lake with their sources."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.requests.request import Kind, State
from influx_lake.serve.problems import answer_of
from influx_lake.serve.routes.dependencies import IdempotencyKey, Served
from influx_lake.serve.routes.models import Body, Compare, Moment, Name
from influx_lake.serve.routes.waiting import RESPONSES, Wait, ended, later
from influx_lake.serve.work.planning import check_request

router = APIRouter(prefix="/v1/verify", tags=["verify"])


class AskedComparison(Body):
    """Windows to compare: only closed ones are."""

    measurements: list[Name] = Field(
        min_length=1, max_length=10_000, description="By name or by table; `*` is all of them.", examples=[["cpu"]]
    )
    start: Moment | None = Field(default=None, description="Not before this time; UTC where it has no zone.")
    end: Moment | None = Field(default=None, description="Before this time.")
    compare: Compare = Field(default=Depth.ROWS, description="By rows, by profiles of the columns, or value by value.")


class ComparisonView(BaseModel):
    """The result of a comparison, as of `influx-lake verify --json`."""

    equal: bool = Field(description="Whether all that there is was compared, and is the same on both sides.")
    measurements: list[dict[str, Any]]
    failures: list[dict[str, Any]] | None = Field(default=None, description="What could not be compared (RFC 9457).")


@router.post(
    "",
    response_model=ComparisonView,
    response_model_exclude_none=True,
    responses=RESPONSES,
)
async def verify(
    body: AskedComparison,
    service: Served,
    client: Request,
    key: IdempotencyKey = None,
    wait: Wait = True,
) -> Any:
    """Compare windows with their sources. Nothing is changed."""
    request_body = body.model_dump(mode="json")
    await run_in_threadpool(check_request, service.lake, request_body)
    request = await run_in_threadpool(service.accept, Kind.VERIFY, request_body, key, own=True)
    if wait:
        request = await ended(service, request, client)
    if request.state is State.DONE:
        return request.result
    if request.state is State.FAILED and request.error:
        return answer_of(request.error)
    return later(request)
