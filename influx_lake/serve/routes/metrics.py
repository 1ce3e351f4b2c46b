"""`/metrics`: the lake's metrics in Prometheus' format."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Header, Request, Response
from prometheus_client import CollectorRegistry

from influx_lake.metrics.exposition import exposition
from influx_lake.serve.problems import documented

router = APIRouter(tags=["health"])

_KINDS = ("text/plain", "application/openmetrics-text")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **documented(),
        200: {"description": "The metrics.", "content": {kind: {"schema": {"type": "string"}} for kind in _KINDS}},
    },
)
def metrics(client: Request, accept: Annotated[str, Header()] = "") -> Response:
    """The lake's metrics, as Prometheus reads them. Reads tables for a few seconds at most, and each rarely."""
    content, kind = exposition(cast("CollectorRegistry", client.app.state.metrics), accept)
    return Response(content, media_type=kind)
