"""A lake whose HTTP service leaves what it is asked for to runs of Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from fastapi.testclient import TestClient

from influx_lake.orchestration.requests.requested_runs import DagsterRuns
from influx_lake.orchestration.requests.requested_windows import RUN_KEY, requested_windows_sensor
from influx_lake.serve.app import create_app
from influx_lake.serve.problems import problem_of
from influx_lake.serve.service import Service
from influx_lake.serve.work.worker_threads import WorkerThreads
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import SensedLake
from testbed.waiting import wait_until


@contextmanager
def served(lake: SensedLake, *, dagster: bool = True) -> Iterator[tuple[TestClient, Service]]:
    runs = DagsterRuns(lake.instance, lambda error: problem_of(error).content)
    service = Service(lake.lake, runs if dagster else None)
    workers = service.workers = WorkerThreads(service)
    workers.start()
    try:
        with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
            yield client, service
    finally:
        workers.stop(10)
        service.close()


def requests_of(lake: SensedLake) -> list[dg.RunRequest]:
    """What a tick asks for, as the daemon tags it."""
    data = lake.evaluate(requested_windows_sensor(lake.lake))
    return [replace_key(each) for each in data.run_requests or ()]


def replace_key(request: dg.RunRequest) -> dg.RunRequest:
    return request.with_replaced_attrs(tags={**request.tags, RUN_KEY: str(request.run_key)})


def planned(client: TestClient, location: str) -> None:
    wait_until(lambda: client.get(location).json()["windows"]["total"], "the request is planned", 30)
