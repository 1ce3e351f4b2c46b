"""The channels that alerts are sent by: a webhook with Slack's JSON, and mail by SMTP."""

from __future__ import annotations

import html
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Protocol

from influx_lake.config import AlertOptions, EmailOptions, MailSecurity, Secret, Severity, redact
from influx_lake.errors import AlertNotDelivered
from influx_lake.orchestration.alerts.notice import Notice, subject_of

TIMEOUT_SECONDS = 10
_ICONS = {Severity.ERROR: ":red_circle:", Severity.WARN: ":large_yellow_circle:"}
_SECTION_CHARACTERS = 2_900
_ANSWER_CHARACTERS = 200


class Channel(Protocol):
    """A channel that alerts are sent by."""

    @property
    def name(self) -> str:
        """The channel's name, as in lake.yaml: `webhook` or `email`."""
        ...

    def send(self, notices: Sequence[Notice]) -> None:
        """Send several notices as one message.

        Raises:
            AlertNotDelivered: The receiver cannot be reached, or refused the message.
            ConfigurationError: A secret cannot be read.
        """
        ...


def channels_of(options: AlertOptions) -> Iterator[Channel]:
    """Yields the channels that `alerts` of lake.yaml configures."""
    if options.webhook is not None:
        yield Webhook(options.webhook)
    if options.email is not None:
        yield Email(options.email)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook: Slack, or any receiver of Slack's JSON."""

    url: Secret
    name = "webhook"

    def send(self, notices: Sequence[Notice]) -> None:
        import requests

        try:
            # A redirect may lead to any host, and would reveal the URL.
            answer = requests.post(
                self.url.reveal(), json=slack_message(notices), timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            # The exception's text and causes contain the URL.
            raise _not_delivered(self.name, f"it cannot be reached ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            said = redact(answer.text)[:_ANSWER_CHARACTERS].strip()
            raise _not_delivered(self.name, f"it answered {answer.status_code} {said}".rstrip())


@dataclass(frozen=True, slots=True)
class Email:
    """Mail by SMTP, over TLS or STARTTLS."""

    options: EmailOptions
    name = "email"

    def send(self, notices: Sequence[Notice]) -> None:
        options, trusted = self.options, ssl.create_default_context()
        server: smtplib.SMTP
        try:
            if options.security is MailSecurity.SSL:
                server = smtplib.SMTP_SSL(options.smtp_host, options.port, timeout=TIMEOUT_SECONDS, context=trusted)
            else:
                server = smtplib.SMTP(options.smtp_host, options.port, timeout=TIMEOUT_SECONDS)
            with server:
                if options.security is MailSecurity.STARTTLS:
                    server.starttls(context=trusted)
                server.login(options.user or options.sender, options.password.reveal())
                server.send_message(mail(notices, options), options.sender, options.to)
        except (OSError, smtplib.SMTPException) as error:
            reason = f"{options.smtp_host}:{options.port} did not take it ({type(error).__name__}: {error})"
            raise _not_delivered(self.name, redact(reason)) from None


def slack_message(notices: Sequence[Notice]) -> dict[str, Any]:
    """Build the JSON of Slack's incoming webhooks: a text for notifications, and a block for each notice."""
    return {
        "text": _escaped(subject_of(notices)),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": _markdown(notice)[:_SECTION_CHARACTERS]}}
            for notice in notices
        ],
    }


def mail(notices: Sequence[Notice], options: EmailOptions) -> EmailMessage:
    """Build the mail of several notices, in plain text and in HTML."""
    message = EmailMessage()
    message["Subject"] = f"[influx-lake] {' '.join(subject_of(notices).split())}"
    message["From"] = options.sender
    message["To"] = ", ".join(options.to)
    message.set_content("\n\n".join(notice.text() for notice in notices), cte="quoted-printable")
    message.add_alternative("".join(map(_html, notices)), subtype="html", cte="quoted-printable")
    return message


def _markdown(notice: Notice) -> str:
    lines = [f"{_ICONS[notice.severity]} *{_escaped(notice.title)}*"]
    if notice.link:
        lines.append(f"<{_escaped(notice.link)}|Open in Dagster>")
    lines += [f"*{name}:* {_escaped(text)}" for name, text in notice.facts()]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _html(notice: Notice) -> str:
    rows = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in notice.facts())
    link = f'<p><a href="{html.escape(notice.link)}">Open in Dagster</a></p>' if notice.link else ""
    return f"<h3>{html.escape(notice.title)}</h3><table>{rows}</table>{link}"


def _not_delivered(name: str, reason: str) -> AlertNotDelivered:
    return AlertNotDelivered(
        f"an alert was not delivered by {name}: {reason}",
        remedy="The next tick sends it again; if this repeats, check `alerts` in lake.yaml",
    )
