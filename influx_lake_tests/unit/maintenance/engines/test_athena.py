"""A conversation with Athena, as recorded: requests, states, and what it says when it fails or has more to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from dagster_aws.athena import AthenaClient

from influx_lake.config.maintenance.engines import AthenaConfig
from influx_lake.errors import EngineError, EngineUnavailable
from influx_lake.maintenance.engines.athena import Athena

VACUUM = "VACUUM telemetry.cpu"
MORE = (
    "ICEBERG_VACUUM_MORE_RUNS_NEEDED: Removed 20000 files in this round of vacuum, but there are more files remaining. "
    "Please run another VACUUM command to process the remaining files"
)


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client("athena", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def athena(stub: Stubber) -> Athena:
    return Athena(AthenaConfig(workgroup="lake"), AthenaClient(stub.client, "lake", polling_interval=0, max_polls=3))


def said(stub: Stubber, *states: tuple[str, str | None]) -> None:
    """One statement, and the states that it is in one after the other."""
    stub.add_response("start_query_execution", {"QueryExecutionId": "q"}, {"QueryString": VACUUM, "WorkGroup": "lake"})
    for state, reason in states:
        status: dict[str, Any] = {"State": state} | ({"StateChangeReason": reason} if reason else {})
        stub.add_response("get_query_execution", {"QueryExecution": {"Status": status}}, {"QueryExecutionId": "q"})


def test_a_statement_is_waited_for(stub: Stubber, athena: Athena) -> None:
    said(stub, ("QUEUED", None), ("RUNNING", None), ("SUCCEEDED", None))
    assert athena.run(VACUUM) == {}


def test_it_is_run_again_as_long_as_there_is_more_to_do(stub: Stubber, athena: Athena) -> None:
    for _ in range(2):
        said(stub, ("FAILED", MORE))
    said(stub, ("SUCCEEDED", None))
    athena.run(VACUUM)


def test_what_it_says_is_reported(stub: Stubber, athena: Athena) -> None:
    said(stub, ("FAILED", "HIVE_METASTORE_ERROR: Table telemetry.cpu not found"))
    with pytest.raises(
        EngineError, match=r"Athena did not do it: .*Table telemetry.cpu not found; it was asked for: V"
    ):
        athena.run(VACUUM)


def test_one_that_somebody_cancels_says_so(stub: Stubber, athena: Athena) -> None:
    said(stub, ("CANCELLED", None))
    with pytest.raises(EngineError, match="was cancelled in Athena"):
        athena.run(VACUUM)


def test_one_that_takes_too_long_goes_on_there(stub: Stubber, athena: Athena) -> None:
    said(stub, *[("RUNNING", None)] * 3)
    with pytest.raises(EngineError, match="continues: VACUUM"):
        athena.run(VACUUM)


def test_a_request_that_is_refused_is_reported(stub: Stubber, athena: Athena) -> None:
    stub.add_client_error("start_query_execution", "AccessDeniedException", "not authorized to perform this")
    with pytest.raises(EngineError, match="not authorized"):
        athena.run(VACUUM)


def test_an_endpoint_that_nobody_listens_at_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    config = {"region": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with pytest.raises(EngineUnavailable, match="Athena cannot be reached"):
        Athena(AthenaConfig.model_validate(config)).run(VACUUM)
