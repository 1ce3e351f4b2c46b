"""How InfluxDB is reached."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from influx_lake.config.quantities import Duration
from influx_lake.config.secret import Secret

INFLUXDB3_PORT = 8181
_LOOPBACK_NAME = "localhost"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _below_root(path: Path, info: ValidationInfo) -> Path:
    root = info.context.get("root") if isinstance(info.context, dict) else None
    return (root or Path.cwd()) / path.expanduser()


LocalFile = Annotated[Path, AfterValidator(_below_root)]
"""A file; relative ones are below the folder of the lake.yaml."""


class TlsConfig(BaseModel):
    """How the server of an `https` host is recognised, and how we identify ourselves to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    verify: bool = Field(
        default=True,
        description="Whether the server's certificate is checked. Without it anybody can pose as the server.",
    )
    ca_file: LocalFile | None = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's, for a server with a private CA."
    )
    cert_file: LocalFile | None = Field(
        default=None, description="Our own certificate (PEM), for servers that ask for one."
    )
    key_file: LocalFile | None = Field(default=None, description="The private key (PEM) of `cert_file`.")


class InfluxDB3Config(BaseModel):
    """One database of an InfluxDB 3 server (Core, Enterprise or Cloud)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["influxdb3"] = Field(default="influxdb3", description="What speaks at the other end.")
    host: str = Field(
        min_length=1,
        description="The server's address, such as http://127.0.0.1:8181 or https://influxdb.example.com. Without a "
        "scheme it is http on this machine and https elsewhere.",
        examples=["http://127.0.0.1:8181", "https://influxdb.example.com"],
    )
    database: str = Field(min_length=1, description="The database that holds the measurements.")
    token: Secret | None = Field(
        default=None,
        description="The token, from the environment, a file or a secret store. Leave it out for a server that runs "
        "without authorization.",
        examples=["${INFLUXDB3_TOKEN}", "${file:influxdb.token}", "${aws-secret:influxdb#token}"],
    )
    tls: TlsConfig | None = Field(default=None, description="TLS options; they need an https host.")
    query_port: int | None = Field(
        default=None, ge=1, le=65535, description="The port of Arrow Flight queries, where it is not the host's own."
    )
    timeout: Duration = Field(
        default=timedelta(minutes=5),
        description="How long to wait for the next rows of an answer. All of them may take much longer.",
    )
    connect_timeout: Duration = Field(
        default=timedelta(seconds=10),
        description="How long to wait for a connection before the server counts as down.",
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        _Address.parse(host)
        return host

    @field_validator("timeout", "connect_timeout")
    @classmethod
    def _check_timeout(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("is no time at all: give a length of time above 0")
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if self.tls is None:
            return self
        if (self.tls.cert_file is None) != (self.tls.key_file is None):
            raise ValueError("tls.cert_file and tls.key_file belong together: give both or neither")
        if not self.tls.verify and (self.tls.ca_file or self.tls.cert_file):
            # pyarrow's Flight client drops all other TLS options when it does not verify.
            raise ValueError("with tls.verify: false, tls.ca_file and tls.cert_file have no effect: leave them out")
        if not self.uses_tls:
            raise ValueError(f"tls has no effect on the host {self.host}: write https://")
        return self

    @property
    def hostname(self) -> str:
        """The host's name or address alone, without brackets."""
        return self._address.hostname

    @property
    def port(self) -> int:
        """The port of HTTP, and of queries unless `query_port` says otherwise."""
        return self._address.port

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._address.scheme == "https"

    @property
    def url(self) -> str:
        """The server's address with scheme and port: `http://127.0.0.1:8181`."""
        return f"{self._address.scheme}://{self._address.bracketed}:{self.port}"

    @property
    def flight_url(self) -> str:
        """Where Arrow Flight queries go: `grpc+tcp://127.0.0.1:8181`."""
        scheme = "grpc+tls" if self.uses_tls else "grpc+tcp"
        return f"{scheme}://{self._address.bracketed}:{self.query_port or self.port}"

    @property
    def _address(self) -> _Address:
        return _Address.parse(self.host, secure=self.tls is not None)


class _Address:
    """A host as people write it, taken apart."""

    def __init__(self, scheme: str, hostname: str, port: int) -> None:
        self.scheme = scheme
        self.hostname = hostname
        self.port = port

    @property
    def bracketed(self) -> str:
        return f"[{self.hostname}]" if ":" in self.hostname else self.hostname

    @classmethod
    def parse(cls, text: str, *, secure: bool = False) -> _Address:
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "", text
        elif scheme not in _DEFAULT_PORTS:
            raise ValueError("must start with http:// or https://, such as http://127.0.0.1:8181")
        if _is_ipv6(rest):
            rest = f"[{rest}]"
        try:
            parts = urlsplit(f"//{rest}")
            hostname, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is not a host with an optional port, such as http://127.0.0.1:8181") from None
        if parts.username is not None:
            # The remedy must not repeat the value, which the prefix of the message would: it holds a password.
            raise ValueError("a host has no user and password in it: use `token`")
        if not hostname or any(character.isspace() for character in rest):
            raise ValueError("is not a host with an optional port, such as http://127.0.0.1:8181")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("must be a host alone, without a path behind it")
        if port == 0:
            raise ValueError("is not a host with an optional port: ports are 1 to 65535")
        if scheme:
            return cls(scheme, hostname, port or _DEFAULT_PORTS[scheme])
        if _is_loopback(hostname) and not secure:
            return cls("http", hostname, port or INFLUXDB3_PORT)
        return cls("https", hostname, port or _DEFAULT_PORTS["https"])


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == _LOOPBACK_NAME
