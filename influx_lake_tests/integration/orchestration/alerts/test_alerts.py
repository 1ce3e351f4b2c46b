"""People are told of what went wrong: real runs and events, real receivers, and receivers that fail."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._utils.error import serializable_error_info_from_exc_info

from influx_lake.config import load_lake
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.splitting.part_requests import PART_OF
from influx_lake_tests.integration.orchestration.alerts.alerted_site import BASE, CPU, Site, hook, site
from influx_lake_tests.integration.orchestration.alerts.receivers import Received

__all__ = ["hook", "site"]


def test_nobody_is_told_where_nobody_says_so(site: Site) -> None:
    site.alerts = "{}"
    assert not [each for each in site.definitions.sensors or () if each.name.startswith("alerts")]


def test_a_failed_run_is_reported_with_cause_remedy_and_link(site: Site, hook: Received) -> None:
    site.fail()
    assert "begin with the next event" in site.tick()
    result = site.fail("2026-01-03")
    assert site.tick() == "Notices sent: 1"
    [text] = hook.texts
    assert "*Run failed: cpu*" in text
    assert "*Measurement:* cpu" in text
    assert "*Window:* 2026-01-03T00:00:00Z/2026-01-04T00:00:00Z" in text
    assert "*Cause:* " in text
    assert "127.0.0.1:1" in text
    assert "*Remedy:* " in text
    assert f"<{BASE}/runs/{result.run_id}|Open in Dagster>" in text
    assert "Run failed: cpu" in hook.posts[0]["text"]
    # It was told of once.
    assert site.tick() == "Nothing went wrong"
    assert len(hook.posts) == 1


@pytest.mark.parametrize(
    ("said", "noted", "cause"),
    [
        (None, "Run execution process was terminated by signal 9 (SIGKILL).", "was terminated by signal 9 (SIGKILL)"),
        (
            "its code server has not answered for 130 s",
            "Executing steps in process",
            "its code server has not answered",
        ),
    ],
)
@pytest.mark.parametrize("planned", [True, False])
def test_a_run_that_died_is_reported_as_well(
    site: Site, hook: Received, said: str | None, noted: str, cause: str, planned: bool
) -> None:
    site.tick()
    run = site.instance.create_run_for_job(
        site.definitions.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({CPU}),
        tags={"dagster/partition": "2026-01-02", **({"influx_lake/reason": "scheduled"} if planned else {})},
    )
    site.instance.report_engine_event("Executing steps in process", run)
    site.instance.report_engine_event(noted, run)
    site.instance.report_run_failed(run, said)
    site.instance.report_engine_event("Somebody saw that it failed", run)

    assert site.tick() == "Notices sent: 1"

    [text] = hook.texts
    assert "*Run failed: telemetry/cpu*" in text
    assert "*Measurement:* telemetry/cpu\n*Window:* 2026-01-02\n*Cause:* " in text
    assert cause in text
    assert ("are retried automatically" in text) is planned
    assert ("run it again" in text) is not planned
    assert f"<{BASE}/runs/{run.run_id}|Open in Dagster>" in text


def test_a_run_that_could_not_be_started_is_reported_with_what_the_server_said(site: Site, hook: Received) -> None:
    from dagster._core.events import EngineEventData

    site.tick()
    run = site.instance.create_run_for_job(site.definitions.resolve_implicit_global_asset_job_def())
    with pytest.raises(ConnectionError) as caught:
        raise ConnectionError("no answer") from TimeoutError("Deadline Exceeded")
    trouble = serializable_error_info_from_exc_info((caught.type, caught.value, caught.tb))
    site.instance.report_engine_event("The run was dropped from the queue.", run, EngineEventData.engine_error(trouble))
    site.instance.report_run_failed(run)

    assert site.tick() == "Notices sent: 1"
    assert "*Cause:* The run was dropped from the queue. TimeoutError: Deadline Exceeded" in hook.texts[0]


def test_a_run_that_is_tried_again_is_not_reported(site: Site, hook: Received) -> None:
    site.tick()
    site.fail(**{"dagster/will_retry": "true"})
    site.fail(**{PART_OF: "a window that is split"})
    assert site.tick() == "Nothing went wrong"
    site.fail(**{"dagster/will_retry": "false"})
    assert site.tick() == "Notices sent: 1"


def test_a_failed_check_is_reported(site: Site, hook: Received) -> None:
    site.tick()
    site.report()
    site.report("source_equals_lake", passed=True)
    site.report(key=dg.AssetKey("of_another_location"))
    assert site.tick() == "Notices sent: 1"
    [text] = hook.texts
    assert "*telemetry/cpu: check gaps failed*" in text
    assert "*Window:* a/b\n*Cause:* 3 windows are missing\n*Remedy:* Backfill them" in text
    assert f"{BASE}/assets/telemetry/cpu?view=checks&amp;checkDetail=gaps" in text


def test_only_what_is_requested_is_reported(site: Site, hook: Received) -> None:
    site.alerts = "{webhook: '${HOOK}', on: [check_failed], severity: error}"
    site.tick()
    site.fail()
    site.report(severity=dg.AssetCheckSeverity.WARN)
    site.report("freshness")
    assert site.tick() == "Nothing went wrong"
    site.report(severity=dg.AssetCheckSeverity.ERROR)
    assert site.tick() == "Notices sent: 1"
    assert "Open in Dagster" not in hook.texts[0]


def test_a_stale_measurement_is_reported_once(site: Site, hook: Received) -> None:
    site.measurement = "{freshness: {warn: 30m, fail: 2h}}"
    site.alerts = "{webhook: '${HOOK}', on: [stale]}"
    site.tick()
    for _ in range(3):
        site.tick("freshness_of_measurements")
    # Dagster's own policy says the same, and less.
    site.instance._report_runless_asset_event(_state(CPU, FreshnessState.FAIL))
    assert site.tick() == "Notices sent: 1"
    assert "*telemetry/cpu: is not fresh*" in hook.texts[0]
    assert "nothing is loaded yet; its first window was due " in hook.texts[0]


def test_an_asset_with_a_policy_alone_is_reported(site: Site, hook: Received) -> None:
    site.tick()
    mem = dg.AssetKey(["telemetry", "mem"])
    site.measurement = "{freshness: {fail: 2h}, checks: {freshness: false}}"
    site.instance._report_runless_asset_event(_state(CPU, FreshnessState.FAIL))
    site.instance._report_runless_asset_event(_state(CPU, FreshnessState.PASS))
    assert site.tick() == "Notices sent: 1"
    assert "its freshness policy went from UNKNOWN to FAIL" in hook.texts[0]
    assert asset_key(load_lake(site.folder / "lake.yaml").find("mem")) == mem


def _state(key: dg.AssetKey, state: FreshnessState) -> FreshnessStateChange:
    return FreshnessStateChange(
        key=key,
        new_state=state,
        previous_state=FreshnessState.UNKNOWN,
        state_change_timestamp=datetime.now(UTC).timestamp(),
    )


def test_many_are_few_messages(site: Site, hook: Received) -> None:
    site.tick()
    for number in range(23):
        site.report(description=f"measurement cpu: number {number}. Do something")
    assert site.tick() == "Notices sent: 23"
    assert [len(post["blocks"]) for post in hook.posts] == [10, 10, 3]
    assert hook.posts[0]["text"] == "telemetry/cpu: check gaps failed (and 9 more)"
