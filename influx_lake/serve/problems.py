"""Errors as HTTP responses: problem details (RFC 9457) with the right status, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from influx_lake import errors
from influx_lake.config.redaction import redacted
from influx_lake.errors import LakeError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 10
"""The default of `Retry-After`, in seconds."""

_STATUS: tuple[tuple[type[LakeError], HTTPStatus], ...] = (
    (errors.MeasurementNotFound, HTTPStatus.NOT_FOUND),
    (errors.DatabaseNotFound, HTTPStatus.NOT_FOUND),
    (errors.ConfigurationError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.DataRefused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.SchemaConflict, HTTPStatus.CONFLICT),
    (errors.GuardError, HTTPStatus.CONFLICT),
    (errors.TableUnsupported, HTTPStatus.CONFLICT),
    (errors.SourceError, HTTPStatus.BAD_GATEWAY),
    (errors.CatalogError, HTTPStatus.BAD_GATEWAY),
    (errors.StorageError, HTTPStatus.BAD_GATEWAY),
    (errors.EngineError, HTTPStatus.BAD_GATEWAY),
)


class ProblemDetails(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="The kind of problem: the status says it all.")
    title: str = Field(description="The status, in words.", examples=["Conflict"])
    status: int = Field(description="The status of the answer.", examples=[409])
    detail: str = Field(description="What failed, why, and what to do.")
    error: str | None = Field(
        default=None, description="The class of the error, as the command line tells it.", examples=["WindowShrank"]
    )
    measurement: str | None = Field(default=None, description="The measurement that was worked on.")
    window: str | None = Field(default=None, description="The window that was worked on: `start/end`.")
    transient: bool | None = Field(
        default=None, description="Whether the same request may succeed later with nothing changed."
    )
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="What is wrong with the body, place by place."
    )


class Problem(Exception):
    """Raised to answer a request with problem details.

    Args:
        status: The HTTP status.
        detail: What failed, why, and what to do.
        headers: More response headers.
        facts: More members of the problem details.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.facts = facts

    @property
    def content(self) -> dict[str, Any]:
        """The members of the problem details, without secrets."""
        content = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value}
        content |= {"detail": self.detail, **self.facts}
        shown: dict[str, Any] = redacted({key: value for key, value in content.items() if value is not None})
        return shown

    def answer(self) -> JSONResponse:
        """The HTTP response."""
        return answer_of(self.content, self.headers)


def problem_of(error: LakeError) -> Problem:
    """The problem details of an error of this project.

    Errors of the lake, a source or the store are 5xx.
    """
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if error.transient:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    else:
        status = next((found for kind, found in _STATUS if isinstance(error, kind)), status)
    return Problem(
        status,
        str(error),
        headers={"Retry-After": str(RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None,
        error=type(error).__name__,
        measurement=error.measurement,
        window=error.window,
        transient=error.transient,
    )


def answer_of(content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The HTTP response for given problem details."""
    status = int(content["status"])
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {"Retry-After": str(RETRY_SECONDS), **(headers or {})}
    return JSONResponse(dict(content), status, dict(headers or {}), MEDIA_TYPE)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the problems of a path, besides those of every path."""
    every = {*statuses, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
    every |= {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}
    every |= {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE}
    return {
        status.value: {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in sorted(every)
    }
