"""The section `serve`: address, TLS, tokens and limits of the HTTP service."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from influx_lake.config.references.secret import Secret
from influx_lake.config.values.address import Address
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.locations import LocalFile
from influx_lake.config.values.on_off import or_empty
from influx_lake.config.values.units import Duration, Size, WholeNumber
from influx_lake.config.values.validated_names import Text
from influx_lake.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a user may ask for, with a token
_SECOND = timedelta(seconds=1)


class Replicate(StrEnum):
    """Which measurements `POST /api/v3/engine/replicate` may ask for."""

    DECLARED = "declared"
    ANY = "any"


def _check_host(value: str) -> str:
    if value in EVERYWHERE:
        return value
    bracketed = f"[{value}]" if value.count(":") > 1 else value
    try:
        address = Address.parse(f"http://{bracketed}")
    except ConfigurationError:
        address = None
    if address is None or "/" in value or (":" in value and bracketed == value):
        raise ValueError("is not a name or address of this machine: write 127.0.0.1 or 0.0.0.0, and the port as `port`")
    return value


class ServeTls(BaseModel):
    """The certificate that clients of the service see."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    certificate: LocalFile = Field(
        description="The certificate (PEM), with those that signed it.", examples=["tls/server.crt"]
    )
    key: LocalFile = Field(description="Its private key (PEM).", examples=["tls/server.key"])


class ServeLimits(BaseModel):
    """How much the service takes at once. What is above a limit is refused; nothing is lost of what was taken."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    body: Annotated[Size, Field(ge=1_000, le=1_000_000_000)] = Field(
        default=10_000_000, description="The largest body of a request; a larger one is answered with 413."
    )
    requests_per_second: Annotated[WholeNumber, Field(ge=1, le=100_000)] = Field(
        default=100,
        description="Requests of one client in a second, in the long run, and ten times as many at once; more are "
        "answered with 429.",
    )
    connections: Annotated[WholeNumber, Field(ge=1, le=100_000)] = Field(
        default=1_000, description="Connections at once; more are answered with 503."
    )
    patience: Annotated[Duration, Field(ge=_SECOND, le=timedelta(hours=1))] = Field(
        default=timedelta(seconds=30),
        description="How long a client may take to send a request, and to take a part of the answer.",
    )
    waiting: Annotated[WholeNumber, Field(ge=1, le=100_000)] = Field(
        default=1_000, description="Requests for loads that wait or run; more are answered with 429."
    )
    windows: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] = Field(
        default=20_000, description="Windows that one request may ask for; more are answered with 422."
    )
    loads: Annotated[WholeNumber, Field(ge=1, le=64)] = Field(
        default=2, description="Requests that the service itself works on at once; others wait for their turn."
    )
    kept: Annotated[Duration, Field(ge=timedelta(hours=1))] = Field(
        default=timedelta(days=30), description="How long the service tells what became of a request."
    )


class ServeOptions(BaseModel):
    """The HTTP service of `influx-lake serve`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[Text, AfterValidator(_check_host)] = Field(
        default=LOOPBACK,
        description="The name or address of this machine that it listens on. Any but a loopback one needs `tokens`.",
        examples=[LOOPBACK, "0.0.0.0"],  # noqa: S104
    )
    port: Annotated[WholeNumber, Field(ge=0, le=65535)] = Field(
        default=8282, description="Its port; 0 takes a free one."
    )
    tokens: Annotated[tuple[Secret, ...], Distinct()] = Field(
        default=(),
        description="Who sends any of these may ask: `Authorization: Bearer ...`. Several, so that they can be changed "
        "one after the other. None: everybody on this machine may ask.",
        examples=[["${INFLUX_LAKE_TOKEN}"]],
    )
    tls: ServeTls | None = Field(default=None, description="A certificate, to be reached by https alone.")
    replicate: Replicate = Field(
        default=Replicate.DECLARED,
        description="Which measurements `POST /api/v3/engine/replicate` may ask for: `declared`, those of this "
        "lake.yaml; `any`, every measurement of its sources, into tables of its catalog that it does not declare.",
    )
    limits: Annotated[ServeLimits, BeforeValidator(or_empty)] = Field(
        default=ServeLimits(), description="How much it takes at once."
    )

    @property
    def is_local(self) -> bool:
        """Whether it listens on the loopback interface only."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.host not in EVERYWHERE and Address.parse(f"http://{host}").is_loopback

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.is_local and not self.tokens:
            message = (
                f"{self.host} can be reached by others, who would need no token: give `tokens`, or take {LOOPBACK}"
            )
            raise contradiction(message, "host")
        return self
