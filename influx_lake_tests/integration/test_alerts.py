"""People are told of what went wrong: real runs and events, real receivers, and receivers that fail."""

from __future__ import annotations

import base64
import email
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.policy import default as default_policy
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._utils.error import serializable_error_info_from_exc_info

from influx_lake.config import load_lake
from influx_lake.errors import AlertNotDelivered, ConfigurationError
from influx_lake.orchestration.alerts import events
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.resources import CATALOG_KEY
from influx_lake_tests.integration.receivers import Received, mail_receiver, webhook_receiver
from influx_lake_tests.unit.sources.certificates import make_certificate

CPU = dg.AssetKey(["telemetry", "cpu"])
LAKE = """
sources: {{default: {{host: "http://127.0.0.1:1", database: telemetry, connect_timeout: 1s, retry: {{budget: 0s}}}}}}
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: warehouse}}
measurements: {{cpu: {measurement}, mem: {{}}}}
alerts: {alerts}
"""
BASE = "https://dagster.example.com"


@dataclass
class Site:
    """A lake with alerts, and Dagster's instance.

    Attributes:
        folder: Where its lake.yaml is.
        instance: Dagster's.
        alerts: What the section `alerts` says.
        measurement: What is said of cpu.
    """

    folder: Path
    instance: dg.DagsterInstance
    alerts: str = ""
    measurement: str = "{}"
    cursors: dict[str, str | None] = field(default_factory=dict)

    @property
    def definitions(self) -> dg.Definitions:
        path = self.folder / "lake.yaml"
        path.write_text(LAKE.format(alerts=self.alerts, measurement=self.measurement))
        return build_definitions(load_lake(path))

    def tick(self, name: str = "alerts_by_webhook") -> str:
        """One tick of a sensor, after which its cursor is kept, as by the daemon."""
        definitions = self.definitions
        repository = definitions.get_repository_def()
        context = dg.build_sensor_context(
            self.instance,
            cursor=self.cursors.get(name),
            repository_def=repository,
            sensor_name=name,
            resources={CATALOG_KEY: (definitions.resources or {})[CATALOG_KEY]},
        )
        result = repository.get_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = result.cursor
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return str(result.skip_message)

    def fail(self, partition: str = "2026-01-02", **tags: str) -> dg.ExecuteInProcessResult:
        """A run of cpu, whose source is away."""
        job = dg.define_asset_job("loading", selection=dg.AssetSelection.assets(CPU))
        merged = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        result = merged.resolve_job_def("loading").execute_in_process(
            instance=self.instance, partition_key=partition, tags=tags, raise_on_error=False
        )
        assert not result.success
        return result

    def report(
        self,
        check: str = "gaps",
        *,
        passed: bool = False,
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
        description: str = "measurement cpu, window a/b: 3 windows are missing. Backfill them",
        key: dg.AssetKey = CPU,
    ) -> None:
        """A result of a check."""
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(key, check, passed=passed, severity=severity, description=description)
        )


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with webhook_receiver() as received:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{received.port}/services/T0/hush-hush")
        yield received


@pytest.fixture(params=["ephemeral", pytest.param("on disk", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """On SQLite files too, whose events lie in a file per run."""
    home = tmp_path / "home"
    home.mkdir()
    opened = (
        dg.DagsterInstance.ephemeral() if request.param == "ephemeral" else dg.DagsterInstance.local_temp(str(home))
    )
    with opened as instance:
        yield Site(tmp_path, instance, alerts=f"{{webhook: '${{HOOK}}', base_url: '{BASE}'}}")


def test_nobody_is_told_where_nobody_says_so(site: Site) -> None:
    site.alerts = "{}"
    assert not [each for each in site.definitions.sensors or () if each.name.startswith("alerts")]


def test_a_failed_run_is_told_with_cause_remedy_and_link(site: Site, hook: Received) -> None:
    site.fail()
    assert "from now on" in site.tick()
    result = site.fail("2026-01-03")
    assert site.tick() == "Told of 1"
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
def test_a_run_that_died_is_told_as_well(
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

    assert site.tick() == "Told of 1"

    [text] = hook.texts
    assert "*Run failed: telemetry/cpu*" in text
    assert "*Measurement:* telemetry/cpu\n*Window:* 2026-01-02\n*Cause:* " in text
    assert cause in text
    assert ("are tried again by themselves" in text) is planned
    assert ("run it again" in text) is not planned
    assert f"<{BASE}/runs/{run.run_id}|Open in Dagster>" in text


def test_a_run_that_could_not_be_started_is_told_with_what_the_server_said(site: Site, hook: Received) -> None:
    from dagster._core.events import EngineEventData

    site.tick()
    run = site.instance.create_run_for_job(site.definitions.resolve_implicit_global_asset_job_def())
    with pytest.raises(ConnectionError) as caught:
        raise ConnectionError("no answer") from TimeoutError("Deadline Exceeded")
    trouble = serializable_error_info_from_exc_info((caught.type, caught.value, caught.tb))
    site.instance.report_engine_event("The run was dropped from the queue.", run, EngineEventData.engine_error(trouble))
    site.instance.report_run_failed(run)

    assert site.tick() == "Told of 1"
    assert "*Cause:* The run was dropped from the queue. TimeoutError: Deadline Exceeded" in hook.texts[0]


def test_a_run_that_is_tried_again_is_not_told_of(site: Site, hook: Received) -> None:
    site.tick()
    site.fail(**{"dagster/will_retry": "true"})
    assert site.tick() == "Nothing went wrong"
    site.fail(**{"dagster/will_retry": "false"})
    assert site.tick() == "Told of 1"


def test_a_failed_check_is_told_of(site: Site, hook: Received) -> None:
    site.tick()
    site.report()
    site.report("source_equals_lake", passed=True)
    site.report(key=dg.AssetKey("of_another_location"))
    assert site.tick() == "Told of 1"
    [text] = hook.texts
    assert "*telemetry/cpu: check gaps failed*" in text
    assert "*Window:* a/b\n*Cause:* 3 windows are missing\n*Remedy:* Backfill them" in text
    assert f"{BASE}/assets/telemetry/cpu?view=checks&amp;checkDetail=gaps" in text


def test_only_what_is_asked_for_is_told(site: Site, hook: Received) -> None:
    site.alerts = "{webhook: '${HOOK}', on: [check_failed], severity: error}"
    site.tick()
    site.fail()
    site.report(severity=dg.AssetCheckSeverity.WARN)
    site.report("freshness")
    assert site.tick() == "Nothing went wrong"
    site.report(severity=dg.AssetCheckSeverity.ERROR)
    assert site.tick() == "Told of 1"
    assert "Open in Dagster" not in hook.texts[0]


def test_a_stale_measurement_is_told_of_once(site: Site, hook: Received) -> None:
    site.measurement = "{freshness: {warn: 30m, fail: 2h}}"
    site.alerts = "{webhook: '${HOOK}', on: [stale]}"
    site.tick()
    for _ in range(3):
        site.tick("freshness_of_measurements")
    # Dagster's own policy says the same, and less.
    site.instance._report_runless_asset_event(_state(CPU, FreshnessState.FAIL))
    assert site.tick() == "Told of 1"
    assert "*telemetry/cpu: is not fresh*" in hook.texts[0]
    assert "nothing is loaded yet; its first window was due " in hook.texts[0]


def test_an_asset_with_a_policy_alone_is_told_of(site: Site, hook: Received) -> None:
    site.tick()
    mem = dg.AssetKey(["telemetry", "mem"])
    site.measurement = "{freshness: {fail: 2h}, checks: {freshness: false}}"
    site.instance._report_runless_asset_event(_state(CPU, FreshnessState.FAIL))
    site.instance._report_runless_asset_event(_state(CPU, FreshnessState.PASS))
    assert site.tick() == "Told of 1"
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
    assert site.tick() == "Told of 23"
    assert [len(post["blocks"]) for post in hook.posts] == [10, 10, 3]
    assert hook.posts[0]["text"] == "telemetry/cpu: check gaps failed (and 9 more)"


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_receiver_that_refuses_gets_it_again_and_once(site: Site, hook: Received, status: int) -> None:
    site.tick()
    site.report()
    hook.answers = [status]
    with pytest.raises(AlertNotDelivered) as caught:
        site.tick()
    assert f"it answered {status}" in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    assert site.tick() == "Told of 1"
    assert site.tick() == "Nothing went wrong"
    assert len(hook.posts) == 1


def test_a_receiver_that_fails_in_between_gets_the_rest_later(site: Site, hook: Received) -> None:
    site.tick()
    for number in range(15):
        site.report(description=f"measurement cpu: number {number}. Do something")
    hook.answers = [200, 500]
    assert site.tick().startswith("Told of 10, then: an alert was not delivered by webhook: it answered 500")
    assert site.tick() == "Told of 5"
    assert len(hook.texts) == len(set(hook.texts)) == 15


def test_a_receiver_that_is_away_is_told_later_and_its_address_stays_secret(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/services/T0/hush-hush")
    site.tick()
    site.report()
    with pytest.raises(AlertNotDelivered) as caught:
        site.tick()
    assert "it cannot be reached (ConnectionError)" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with webhook_receiver() as received:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{received.port}/services/T0/hush-hush")
        assert site.tick() == "Told of 1"


def test_an_address_that_cannot_be_read_is_a_clear_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    site.alerts = "{webhook: '${file:no-such-file}'}"
    site.tick()
    site.report()
    with pytest.raises(ConfigurationError, match="no-such-file"):
        site.tick()


def test_an_event_that_is_stored_late_is_not_passed_over(site: Site, hook: Received) -> None:
    site.tick()
    site.report()
    site.tick()
    position = events.Positions.parse(str(site.cursors["alerts_by_webhook"])).of["checks"]
    # The event is new: what has a lower id may still come, and it itself is remembered instead.
    assert len(position.told) == 1
    assert position.after < min(position.told)


def test_old_events_are_left_behind(site: Site, hook: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SETTLED_SECONDS", -1.0)
    site.tick()
    for _ in range(3):
        site.report()
    site.tick()
    position = events.Positions.parse(str(site.cursors["alerts_by_webhook"])).of["checks"]
    assert not position.told
    assert site.tick() == "Nothing went wrong"
    assert len(hook.texts) == 3


def test_the_rest_of_many_events_comes_with_the_next_tick(
    site: Site, hook: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SETTLED_SECONDS", -1.0)
    monkeypatch.setattr(events, "PAGE", 2)
    monkeypatch.setattr(events, "PAGES", 2)
    site.tick()
    for _ in range(5):
        site.report()
    assert [site.tick() for _ in range(3)] == ["Told of 4", "Told of 1", "Nothing went wrong"]


def test_nothing_that_is_stored_holds_the_address(site: Site, hook: Received) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap

    site.alerts = "{webhook: 'https://hooks.example.com/hush-hush'}"
    stored = dg.serialize_value(RepositorySnap.from_def(site.definitions.get_repository_def()))
    assert "alerts_by_webhook" in stored
    assert "hush-hush" not in stored
    assert "hush-hush" not in repr(load_lake(site.folder / "lake.yaml"))


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    certificate, key = make_certificate(tmp_path, "mail", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("MAIL_PASSWORD", "hush-hush")
    with mail_receiver(str(certificate), str(key)) as received:
        yield received


def mail_options(port: int) -> str:
    return (
        f"{{base_url: '{BASE}', email: {{sender: lake@example.com, to: [ops@example.com, ada@example.com], "
        f"smtp_host: 127.0.0.1, smtp_port: {port}, user: lake, password: '${{MAIL_PASSWORD}}'}}}}"
    )


def test_mail_says_the_same(site: Site, mailbox: Received) -> None:
    site.alerts = mail_options(mailbox.port)
    site.tick("alerts_by_email")
    site.report(description="measurement cpu, window a/b: <b>Größe</b> & more\r\nBcc: eve@example.com. Look")
    mailbox.answers = [451]
    with pytest.raises(AlertNotDelivered, match=r"127.0.0.1:.* did not take it .*451"):
        site.tick("alerts_by_email")
    assert site.tick("alerts_by_email") == "Told of 1"
    [(recipients, text)] = mailbox.mails
    assert recipients == ["ops@example.com", "ada@example.com"]
    message = email.message_from_string(text, policy=default_policy)
    assert message["Subject"] == "[influx-lake] telemetry/cpu: check gaps failed"
    plain, rich = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert plain.splitlines()[1:4] == ["Measurement: cpu", "Window: a/b", "Cause: <b>Größe</b> & more"]
    assert "Remedy: Look" in plain.splitlines()
    for fact in ("<th>Measurement</th><td>cpu</td>", "<th>Window</th><td>a/b</td>", "<th>Remedy</th><td>Look</td>"):
        assert fact in rich
    assert "&lt;b&gt;Größe&lt;/b&gt; &amp; more" in rich
    assert f"{BASE}/assets/telemetry/cpu?view=checks" in plain
    login = base64.b64decode(mailbox.logins[-1].removeprefix("PLAIN "))
    assert login == b"\0lake\0hush-hush"


def test_a_mail_server_that_cannot_be_trusted_gets_nothing(
    site: Site, mailbox: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    site.alerts = mail_options(mailbox.port)
    site.tick("alerts_by_email")
    site.report()
    with pytest.raises(AlertNotDelivered, match="certificate verify failed"):
        site.tick("alerts_by_email")
    assert not mailbox.logins


def test_one_receiver_that_is_away_does_not_hold_up_the_other(site: Site, hook: Received, mailbox: Received) -> None:
    site.alerts = mail_options(mailbox.port).replace("{base_url", "{webhook: '${HOOK}', base_url", 1)
    hook.answers = [500]
    for name in ("alerts_by_webhook", "alerts_by_email"):
        site.tick(name)
    site.report()
    with pytest.raises(AlertNotDelivered):
        site.tick()
    assert site.tick("alerts_by_email") == "Told of 1"
    assert site.tick() == "Told of 1"
    assert (len(hook.posts), len(mailbox.mails)) == (1, 1)


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("{on: [stale]}", "nobody would be told"),
        ("{webhook: '${HOOK}', on: [staled]}", "'staled' is not one of run_failure, check_failed, stale"),
        ("{webhook: '${HOOK}', base_url: dagster}", "is not an address of a webserver"),
        ("{webhook: '${HOOK}', wehbook: x}", "unknown option (did you mean webhook?)"),
        ("{email: {sender: me, to: [a@b.c], smtp_host: h, password: p}}", "'me' is not an e-mail address"),
        ("{email: {sender: a@b.c, to: [], smtp_host: h, password: p}}", "alerts.email.to"),
        ("{email: {sender: a@b.c, to: [a@b.c], smtp_host: h}}", "alerts.email.password: is missing"),
    ],
)
def test_mistakes_have_a_place(site: Site, hook: Received, alerts: str, said: str) -> None:
    site.alerts = alerts
    with pytest.raises(ConfigurationError) as caught:
        _ = site.definitions
    assert said in str(caught.value)
