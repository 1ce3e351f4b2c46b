"""`/api/v3/engine/replicate`: requests in the format of InfluxData's plugin `influxdb_to_iceberg`."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from influx_lake.config.values.validated_names import Namespace, TableName
from influx_lake.config.values.windows import parse_moment
from influx_lake.replication.requests.request import Kind, Runner, State
from influx_lake.serve.problems import Problem, answer_of
from influx_lake.serve.routes.dependencies import IdempotencyKey, Served
from influx_lake.serve.routes.models import Body, Name
from influx_lake.serve.routes.waiting import RESPONSES, Wait, ended, later
from influx_lake.serve.work.plugin_request import batch_size, check_request, target_table
from influx_lake.serve.work.plugin_request import summary as summary_of

router = APIRouter(tags=["replicate"])

FIRST, LAST = datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC)
"""The days that InfluxDB's nanoseconds since 1970 reach, in 64 bits."""


def _check_batch(text: str) -> str:
    batch_size(text)
    return text


def _check_zoned(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        parse_moment(text)
    except (ValueError, OverflowError):
        raise ValueError("is not a time of ISO 8601, to the microsecond at most") from None
    if moment.tzinfo is None:
        raise ValueError("needs a time zone: write +00:00 behind it")
    if not FIRST <= parse_moment(text) <= LAST:
        raise ValueError(f"is no time that InfluxDB counts: {FIRST:%Y-%m-%d} to {LAST:%Y-%m-%d}")
    return text


def _read_switch(value: Any) -> Any:
    return value.lower() == "true" if isinstance(value, str) and value.lower() in ("true", "false") else value


Zoned = Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_zoned)]
Columns = Annotated[list[Name], Field(max_length=10_000)]
Property = str | bool | int | float | None
Inner = dict[str, Property | list[str]]
"""The inner properties of a REST catalog's: `auth: {oauth2: {client_id: lake}}`, the deepest that pyiceberg takes."""


class AskedReplication(Body):
    """A measurement and a time range to replicate."""

    measurement: Name = Field(description="Its name in InfluxDB.", examples=["temperature"])
    catalog_configs: dict[str, Property | dict[str, Property | Inner]] = Field(
        description="The Iceberg catalog. Each property that is given has to be the lake's.",
        examples=[{"type": "sql", "uri": "sqlite:///path/to/catalog.db"}],
    )
    included_fields: Columns | None = Field(default=None, description="Only these fields and tags. Default: all.")
    excluded_fields: Columns | None = Field(default=None, description="All fields and tags but these.")
    namespace: Namespace | None = Field(
        default=None, description="The table's namespace. Default: the declaration's; without one, `default`."
    )
    table_name: TableName | None = Field(
        default=None, description="The table. Default: the declaration's; without one, the measurement's name."
    )
    batch_size: Annotated[str, StringConstraints(max_length=32), AfterValidator(_check_batch)] = Field(
        default="1d",
        description="How much time a commit holds: a number and one of s, min, h, d, w. Runs of Dagster load whole "
        "partitions, whatever it says; `remarks` of the answer tell of that.",
        examples=["12h"],
    )
    backfill_start: Zoned | None = Field(
        default=None, description="Not before this time, with a zone. Default: the oldest point."
    )
    backfill_end: Zoned | None = Field(default=None, description="Before this time, with a zone. Default: now.")
    auto_update_schema: Annotated[bool, BeforeValidator(_read_switch)] = Field(
        default=False, description="Whether the table gets columns that are new at the source."
    )


class Replicated(BaseModel):
    """The result of a replication."""

    message: str = Field(description="The same as the plugin says.")
    summary: dict[str, Any] = Field(description="The same for programs.")
    request: str = Field(description="What names the request at /v1/windows.")


@router.post(
    "/api/v3/engine/replicate",
    response_model=Replicated,
    responses=RESPONSES,
)
async def replicate(
    body: AskedReplication,
    service: Served,
    client: Request,
    key: IdempotencyKey = None,
    wait: Wait = True,
) -> Any:
    """Replace a table's rows of a time range by those of InfluxDB. Repeating a request changes nothing."""
    request_body = body.model_dump(mode="json")
    given_end = request_body["backfill_end"]
    request_body["backfill_end"] = given_end or datetime.now(UTC).isoformat()
    start = request_body["backfill_start"]
    if start and parse_moment(start) >= parse_moment(request_body["backfill_end"]):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "backfill_start is not before backfill_end")
    declared = await run_in_threadpool(check_request, service.lake, request_body)
    request_body["target_table"] = target_table(request_body, declared)
    # Validated and not needed any more: credentials are not kept.
    request_body["catalog_configs"] = {}
    shown_body = request_body | {"backfill_end": given_end}
    request = await run_in_threadpool(
        service.accept, Kind.REPLICATE, request_body, key, own=declared is None, said=shown_body
    )
    if wait:
        request = await ended(service, request, client)
    if request.state is State.DONE:
        summary = dict(request.result or {})
        if request.runner is Runner.DAGSTER:
            # Runs of Dagster report windows only.
            summary = summary_of(request, await run_in_threadpool(service.journal.windows, request.id)) | summary
        message = f"[{uuid.UUID(request.id)}] Replication to Iceberg completed with summary: {_repr(summary)}"
        return {"message": message, "summary": summary, "request": request.id}
    if request.state is State.FAILED and request.error:
        return answer_of({**request.error, "request": request.id})
    if request.state is State.CANCELED:
        raise Problem(HTTPStatus.CONFLICT, "the request was canceled while it was worked on", request=request.id)
    return later(request)


def _repr(summary: dict[str, Any]) -> str:
    """The `repr` of Python, which clients of the plugin may parse."""
    return str(json.loads(json.dumps({name: value for name, value in summary.items() if name != "remarks"})))
