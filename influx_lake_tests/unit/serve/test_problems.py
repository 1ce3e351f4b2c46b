"""Errors as HTTP tells them."""

from __future__ import annotations

import inspect
import json

import pytest

from influx_lake import errors
from influx_lake.config import Secret
from influx_lake.errors import LakeError
from influx_lake.serve.problems import problem_of

EVERY = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, LakeError) and kind not in (errors.MissingPackage, errors.MissingExtra)
]


@pytest.mark.parametrize("kind", EVERY)
def test_each_error_has_a_status(kind: type[LakeError]) -> None:
    problem = problem_of(kind("it failed", measurement="cpu", window="a/b"))
    answer = problem.answer()
    assert answer.media_type == "application/problem+json"
    content = json.loads(bytes(answer.body))
    assert (content["status"], content["error"], content["measurement"]) == (answer.status_code, kind.__name__, "cpu")
    assert ("retry-after" in answer.headers) == kind.transient == (answer.status_code == 503)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.MeasurementNotFound, 404),
        (errors.AuthenticationFailed, 502),
        (errors.SourceUnavailable, 503),
        (errors.WindowShrank, 409),
        (errors.SchemaConflict, 409),
        (errors.DataRefused, 422),
        (errors.CatalogRefused, 502),
        (errors.ConfigurationError, 500),
        (errors.UnforeseenError, 500),
    ],
)
def test_whose_fault_it_is(kind: type[LakeError], status: int) -> None:
    assert problem_of(kind("it failed")).status == status


def test_no_secret_is_reported() -> None:
    secret = Secret("hunter2hunter2hunter2").reveal()
    assert secret not in bytes(problem_of(errors.CatalogRefused(f"{secret} is wrong")).answer().body).decode()
