"""What is used of Dagster that it does not export is in one module, and is what it was."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import dagster as dg
import pytest

import influx_lake
from influx_lake.orchestration import dagster_internals as internals

PACKAGE = Path(influx_lake.__file__).parent


def test_one_module_alone_imports_them() -> None:
    inner = re.compile(r"^\s*(from|import) dagster(_shared|\._)", re.MULTILINE)
    found = {path.name for path in PACKAGE.rglob("*.py") if inner.search(path.read_text(encoding="utf-8"))}
    assert found == {"dagster_internals.py"}


def test_an_instance_without_events_and_backfills() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        wanted = dg.EventRecordsFilter(dg.DagsterEventType.RUN_FAILURE)
        assert list(internals.event_records(instance, wanted, limit=1, ascending=True)) == []
        assert list(internals.requested_backfills(instance)) == []
        assert instance.event_log_storage.get_pool_config().pool_granularity in (None, *internals.PoolGranularity)


@pytest.mark.parametrize("send", [internals.send_email_via_ssl, internals.send_email_via_starttls])
def test_mail_is_sent_by_these_arguments(send: object) -> None:
    assert callable(send)
    named = list(inspect.signature(send).parameters)
    assert named == ["email_from", "email_password", "email_to", "message", "smtp_host", "smtp_port", "smtp_user"]


def test_what_a_code_server_says_of_its_runs() -> None:
    from dagster._grpc.types import GetCurrentRunsResult
    from dagster._serdes import serialize_value

    said = serialize_value(GetCurrentRunsResult(current_runs=["a", "b"], serializable_error_info=None))
    assert list(internals.current_runs(said)) == ["a", "b"]


def test_words_of_freshness_and_health() -> None:
    assert {"PASS", "WARN", "FAIL"} <= set(internals.FreshnessState.__members__)
    assert {"RUNNING", "NOT_FOUND", "FAILED"} <= set(internals.WorkerStatus.__members__)
    assert internals.DATA_VERSION_TAG == "dagster/data_version"
