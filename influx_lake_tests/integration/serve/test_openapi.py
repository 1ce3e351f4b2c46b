"""What the service says of itself, held against what it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from influx_lake.config import load_lake
from influx_lake.sandbox import Sandbox
from influx_lake.serve.app import create_app
from influx_lake.serve.service import Service
from influx_lake.serve.work.worker_threads import WorkerThreads
from influx_lake_tests.integration.serve.served_lake import TOKEN, ServedLake

pytestmark = pytest.mark.slow

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    with Sandbox() as box:
        lake = ServedLake(folder, box)
        limits = "{requests_per_second: 100000, waiting: 100000, windows: 40}"
        lake.write(serve=f'{{port: 0, replicate: any, tokens: ["${{file:serve_token}}"], limits: {limits}}}')
        (folder / "serve_token").write_text(TOKEN)
        lake.fill("cpu", range(2))
        service = Service(load_lake(lake.config))
        workers = service.workers = WorkerThreads(service)
        workers.start()
        yield service
        workers.stop(10)
        service.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_every_path_does_what_it_says(service: Service, mode: GenerationMode) -> None:
    api = schemathesis.openapi.from_asgi("/openapi.json", create_app(service), config=SchemathesisConfig())
    operations = [each.ok() for each in api.get_all_operations()]
    assert len(operations) >= 12
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.path_parameters):
            continue
        _check(operation.as_strategy(generation_mode=mode))


def _check(cases: SearchStrategy[schemathesis.Case]) -> None:
    @settings(max_examples=15, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(cases)
    def check(case: schemathesis.Case) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1"}
        if case.path.endswith("/events"):
            # A request that has not ended would be followed to its end.
            case.path_parameters["id"] = "0" * 32
        case.call_and_validate(headers=headers, checks=CHECKS, base_url="http://127.0.0.1")

    check()
