"""`/health` and `/ready`: liveness, and readiness of what the service needs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from influx_lake.config.redaction import redacted
from influx_lake.serve.problems import documented
from influx_lake.serve.readiness import Readiness
from influx_lake.serve.routes.dependencies import Served

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The service is alive."""

    status: str = Field(examples=["ok"])


class ReadyCheck(BaseModel):
    """The result of one readiness check."""

    name: str = Field(examples=["catalog", "source default"])
    ready: bool
    detail: str | None = Field(default=None, description="Why it is not; only for who sends a token.")


class Ready(BaseModel):
    """The readiness of the service."""

    ready: bool
    checks: list[ReadyCheck]


# Load balancers ask with HEAD.
@router.head("/health", include_in_schema=False)
@router.get("/health", responses=documented())
async def health() -> Health:
    """Liveness. Checks nothing else, and needs no token."""
    return Health(status="ok")


@router.head("/ready", include_in_schema=False)
@router.get(
    "/ready",
    response_model=Ready,
    responses={
        **documented(),
        HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Ready, "description": "Something does not answer."},
    },
)
def ready(service: Served, client: Request) -> Any:
    """Readiness of catalog and sources, each by name. Needs no token; without one, only names are shown."""
    answers = cast("Readiness", client.app.state.readiness).answers()
    told = service.tokens.accepts(client.headers.get("authorization"))
    checks = [
        {"name": each.name, "ready": each.fault is None, **({"detail": each.fault} if told and each.fault else {})}
        for each in answers
    ]
    everything = all(each["ready"] for each in checks)
    content = redacted({"ready": everything, "checks": checks})
    return JSONResponse(content, HTTPStatus.OK if everything else HTTPStatus.SERVICE_UNAVAILABLE)
