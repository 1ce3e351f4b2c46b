"""Receivers of alerts that are away, refuse or cannot be trusted; each alert is delivered once."""

from __future__ import annotations

import base64
import email
from email.policy import default as default_policy

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.errors import AlertNotDelivered, ConfigurationError
from influx_lake.orchestration.alerts import events
from influx_lake_tests.integration.orchestration.alerts.alerted_site import (
    BASE,
    Site,
    hook,
    mail_options,
    mailbox,
    site,
)
from influx_lake_tests.integration.orchestration.alerts.receivers import Received, webhook_receiver

__all__ = ["hook", "mailbox", "site"]


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_receiver_that_refuses_gets_it_again_and_once(site: Site, hook: Received, status: int) -> None:
    site.tick()
    site.report()
    hook.answers = [status]
    with pytest.raises(AlertNotDelivered) as caught:
        site.tick()
    assert f"it answered {status}" in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    assert site.tick() == "Notices sent: 1"
    assert site.tick() == "Nothing went wrong"
    assert len(hook.posts) == 1


def test_a_receiver_that_fails_in_between_gets_the_rest_later(site: Site, hook: Received) -> None:
    site.tick()
    for number in range(15):
        site.report(description=f"measurement cpu: number {number}. Do something")
    hook.answers = [200, 500]
    assert site.tick().startswith("Notices sent: 10, then: an alert was not delivered by webhook: it answered 500")
    assert site.tick() == "Notices sent: 5"
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
        assert site.tick() == "Notices sent: 1"


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
    assert [site.tick() for _ in range(3)] == ["Notices sent: 4", "Notices sent: 1", "Nothing went wrong"]


def test_nothing_that_is_stored_holds_the_address(site: Site, hook: Received) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap

    site.alerts = "{webhook: 'https://hooks.example.com/hush-hush'}"
    stored = dg.serialize_value(RepositorySnap.from_def(site.definitions.get_repository_def()))
    assert "alerts_by_webhook" in stored
    assert "hush-hush" not in stored
    assert "hush-hush" not in repr(load_lake(site.folder / "lake.yaml"))


def test_mail_says_the_same(site: Site, mailbox: Received) -> None:
    site.alerts = mail_options(mailbox.port)
    site.tick("alerts_by_email")
    site.report(description="measurement cpu, window a/b: <b>Größe</b> & more\r\nBcc: eve@example.com. Look")
    mailbox.answers = [451]
    with pytest.raises(AlertNotDelivered, match=r"127.0.0.1:.* did not take it .*451"):
        site.tick("alerts_by_email")
    assert site.tick("alerts_by_email") == "Notices sent: 1"
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
    assert site.tick("alerts_by_email") == "Notices sent: 1"
    assert site.tick() == "Notices sent: 1"
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
