"""`/v1/changes` and `/write`: databases report which time got points, and its windows are loaded again."""

from __future__ import annotations

import gzip
import io
import zlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, model_validator
from starlette.concurrency import run_in_threadpool

from influx_lake.config.connections import AutoConfig, InfluxDB1Config, ServerConfig
from influx_lake.replication.changes.change import Told
from influx_lake.replication.changes.change_intake import nanoseconds, note_changes
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake.replication.changes.lines import PRECISIONS, BadLines, told_by_lines
from influx_lake.serve.problems import Problem, documented
from influx_lake.serve.routes.dependencies import Served
from influx_lake.serve.routes.models import Body, Name
from influx_lake.serve.service import Service

router = APIRouter(tags=["changes"])

MOST_BYTES = 64_000_000
"""The largest body of `/write`, uncompressed, in bytes."""
_INT64 = 2**63 - 1
_LONGEST_NAME_SHOWN = 1_000

Nanoseconds = Annotated[int, Field(ge=-_INT64, le=_INT64)]


class ToldChange(Body):
    """An interval of time in which a measurement got points."""

    # Of any length: a name that no lake has must not make the whole report invalid.
    measurement: str = Field(min_length=1, description="By its name in InfluxDB.", examples=["cpu"])
    first: Nanoseconds = Field(description="The time of the first point, in nanoseconds since 1970.")
    last: Nanoseconds = Field(description="The time of the last one.")
    points: int = Field(default=0, ge=0, le=_INT64, description="How many there are, at least.")

    @model_validator(mode="after")
    def _check(self) -> ToldChange:
        if self.first > self.last:
            raise ValueError("first is after last")
        return self


class ToldChanges(Body):
    """A database's report of changes. An empty report is a heartbeat."""

    source: Name | None = Field(default=None, description="What lake.yaml calls the source.")
    database: Name | None = Field(default=None, description="Its database, where no source is named.")
    changes: list[ToldChange] = Field(max_length=100_000, description="What changed.")


class NotedChanges(BaseModel):
    """What was done with a report."""

    source: str = Field(description="The source that told it.")
    noted: int = Field(description="Changes that are kept until their windows are loaded again.")
    open: int = Field(description="Those of windows that are not due yet: they are loaded when they are.")
    too_old: int = Field(description="Those of time before the lake's: before `partition.start`, or not kept any more.")
    unknown: list[str] = Field(description="Measurements that the lake does not load from this source, ten at most.")


@router.post(
    "/v1/changes",
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def changes(body: ToldChanges, service: Served) -> NotedChanges:
    """Report which time got points: its windows are loaded again. Reports answered with 200 are on disk."""
    source = _source_of(service, body)
    told = [Told(each.measurement, each.first, each.last, each.points) for each in body.changes]
    lake = service.lake
    noted = note_changes(lake, ChangeJournal.of(lake.root), source, told, datetime.now(UTC))
    unknown = sorted(name[:_LONGEST_NAME_SHOWN] for name in noted.unknown)[:10]
    return NotedChanges(
        source=source, noted=len(noted.changes), open=noted.open, too_old=noted.too_old, unknown=unknown
    )


@router.post(
    "/write",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra={"requestBody": {"content": {"text/plain": {"schema": {"type": "string"}}}, "required": True}},
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def write(
    request: Request,
    service: Served,
    db: Annotated[str, Query(min_length=1, max_length=1_000, description="The database of InfluxDB 1.")],
    rp: Annotated[str, Query(max_length=1_000, description="Its retention policy.")] = "",
    precision: Annotated[str, Query(max_length=10, description="The unit of times: n, u, ms, s, m or h.")] = "n",
) -> Response:
    """Target of InfluxDB 1 subscriptions: the times of points are noted, and nothing else of them is kept."""
    body = await request.body()
    await run_in_threadpool(_note_lines, service, db, rp, precision, body, request.headers.get("content-encoding"))
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _note_lines(
    service: Service, database: str, policy: str, precision: str, body: bytes, encoding: str | None
) -> None:
    if precision not in PRECISIONS:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"precision is none of {', '.join(PRECISIONS)}")
    lake, now = service.lake, datetime.now(UTC)
    sources = {
        name: config
        for name, config in lake.sources.items()
        if isinstance(config, InfluxDB1Config | AutoConfig) and config.changes is not None
        if config.database == database
    }
    if not sources:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"no source of InfluxDB 1 has the database {database} and `changes: {{}}` in lake.yaml",
        )
    try:
        told = told_by_lines(_unpacked(body, encoding), precision, nanoseconds(now))
    except BadLines as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    for name, config in sources.items():
        wanted = config.retention_policy if isinstance(config, InfluxDB1Config) else None
        if wanted == "*":
            renamed = [Told(f"{policy}.{each.measurement}", each.first, each.last, each.points) for each in told]
            note_changes(lake, ChangeJournal.of(lake.root), name, renamed, now)
        elif wanted in (None, policy) or not policy:
            note_changes(lake, ChangeJournal.of(lake.root), name, told, now)


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    if not encoding or encoding == "identity":
        return body
    if encoding != "gzip":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body may be packed by gzip, and by nothing else")
    try:
        # A body may have several members (RFC 1952, 2.2), each of which is checked.
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as unpacking:
            found = unpacking.read(MOST_BYTES + 1)
    except EOFError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body breaks off: its gzip has no end") from None
    except (gzip.BadGzipFile, zlib.error):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no gzip") from None
    if len(found) > MOST_BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MOST_BYTES:,} bytes, unpacked")
    return found


def _source_of(service: Service, body: ToldChanges) -> str:
    """The source that a report is about.

    Raises:
        Problem: There is no such source, or its `changes` are not configured.
    """
    lake = service.lake
    if body.source is not None:
        known = lake.sources.get(body.source)
        found = [body.source] if isinstance(known, ServerConfig) else []
    else:
        servers = {name: each for name, each in lake.sources.items() if isinstance(each, ServerConfig)}
        found = [name for name, each in servers.items() if body.database == each.database and each.changes is not None]
    if not found:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"the lake has no source {body.source}"
            if body.source is not None
            else f"no source with `changes: {{}}` has the database {body.database}",
        )
    if len(found) > 1:
        message = f"several sources have the database {body.database}: say as `source` which of {', '.join(found)}"
        raise Problem(HTTPStatus.CONFLICT, message)
    config = lake.sources[found[0]]
    if not isinstance(config, ServerConfig) or config.changes is None:
        message = f"the source {found[0]} is not to tell what changed: add `changes: {{}}` to it in lake.yaml"
        raise Problem(HTTPStatus.CONFLICT, message)
    return found[0]
