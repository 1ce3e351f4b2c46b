"""The section `alerts`: channels, kinds and severities."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.measurements.checks import Severity
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.address import Address
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.locations import web_mistake
from influx_lake.config.values.units import WholeNumber
from influx_lake.config.values.validated_names import Text
from influx_lake.errors import ConfigurationError

_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
_HTTP = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


class AlertKind(StrEnum):
    """The kind of event that an alert reports."""

    RUN_FAILURE = "run_failure"
    CHECK_FAILED = "check_failed"
    STALE = "stale"


class MailSecurity(StrEnum):
    """How the connection to a mail server is encrypted."""

    SSL = "ssl"
    STARTTLS = "starttls"


def _check_address(value: str) -> str:
    if _ADDRESS.fullmatch(value) is None:
        raise ValueError("is not an e-mail address")
    return value


def _check_base_url(value: str) -> str:
    if _HTTP.fullmatch(value) is None or web_mistake(value):
        raise ValueError("is not an address of a webserver: write https://dagster.example.com")
    return value.rstrip("/")


def _check_mail_server(value: str) -> str:
    try:
        address = Address.parse(f"https://{value}")
    except ConfigurationError:
        address = None
    if address is None or "/" in value or (":" in value and ":" not in address.host):
        raise ValueError("is not a mail server's name: write smtp.example.com, and its port as smtp_port")
    return value


def _check_webhook(value: Secret | None) -> Secret | None:
    if value is not None and value.is_plain and (mistake := web_mistake(value.reveal())):
        raise ValueError(f"{mistake.partition(':')[0]}: write the one that takes Slack's JSON, or a reference")
    return value


MailAddress = Annotated[str, AfterValidator(_check_address)]


class EmailOptions(BaseModel):
    """A mail server, and who gets mail."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    sender: MailAddress = Field(description="Who the mail is from.", examples=["dagster@example.com"])
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1), Distinct()] = Field(
        description="Who gets it.", examples=[["ops@example.com"]]
    )
    smtp_host: Annotated[Text, AfterValidator(_check_mail_server)] = Field(
        description="The mail server.", examples=["smtp.example.com"]
    )
    smtp_port: Annotated[WholeNumber, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Its port. Default: 465 for `ssl`, 587 for `starttls`."
    )
    security: MailSecurity = Field(
        default=MailSecurity.SSL,
        description="`ssl`: encrypted from the start; `starttls`: encrypted after a first word. Mail never goes out "
        "unencrypted.",
    )
    user: Text | None = Field(default=None, description="Who logs in there. Default: the sender.")
    password: Secret = Field(description="The password.", examples=["${SMTP_PASSWORD}"])

    @property
    def port(self) -> int:
        """The port, complete."""
        return self.smtp_port or (465 if self.security is MailSecurity.SSL else 587)


class AlertOptions(BaseModel):
    """Alerts, sent by `webhook` or `email`; none without either."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    webhook: Annotated[Secret | None, AfterValidator(_check_webhook)] = Field(
        default=None,
        description="An address that takes Slack's JSON by POST. Who knows it can post there, so that it is a secret.",
        examples=["${SLACK_WEBHOOK}", "${aws-secret:alerts#webhook}"],
    )
    email: EmailOptions | None = Field(default=None, description="Where mail goes.")
    on: Annotated[tuple[AlertKind, ...], Field(min_length=1), Distinct()] = Field(
        default=tuple(AlertKind),
        description="What of: `run_failure` (and no retry follows), `check_failed`, `stale` (the check `freshness`, or "
        "Dagster's freshness policy where there is no such check). Default: all.",
    )
    severity: Severity = Field(
        default=Severity.WARN, description="The least severity of failed checks that is told of."
    )
    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = Field(
        default=None,
        description="Where the webserver is reached, for links.",
        examples=["https://dagster.example.com"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.webhook is None and self.email is None:
            raise ValueError("nobody would be told: give a webhook or an email")
        return self


SECRETS = (("webhook",), ("email", "password"))
"""The paths of secrets in the section."""
