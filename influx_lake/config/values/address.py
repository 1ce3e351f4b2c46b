"""Parses server addresses (`host`): scheme, host, port."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from influx_lake.errors import ConfigurationError

INFLUXDB3_PORT = 8181
HTTPS_PORT = 443
"""The default port of https."""

_LONGEST_NAME = 253
_LABEL = re.compile(r"[^\W_]([\w-]{0,61}\w)?|_[\w-]{1,62}")

_EXPECTED = "Write a name or address, with or without http(s):// and port: https://influx.example.com:8181"


@dataclass(frozen=True, slots=True)
class Address:
    """A server's scheme, host and port.

    Always complete: influxdb3-python treats any `host` as a URL with a scheme, and assumes port 443 even for `http`.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, http_port: int = INFLUXDB3_PORT) -> Address:
        """Parse `name`, `name:port`, `http://name:port`, `[::1]:8181` or `::1`.

        Without a scheme it is https, so that a token never travels in the clear by accident; on the loopback interface,
        where InfluxDB is usually started without TLS, it is http.

        Args:
            text: The text.
            http_port: The default port of http.

        Raises:
            ConfigurationError: The text is invalid. It is not repeated: it may contain a password.
        """
        scheme, separator, rest = text.strip().rpartition("://")
        if not separator and rest.count(":") > 1 and not rest.startswith("["):
            rest = f"[{rest}]"
        host, port = _split(rest)
        scheme = scheme.lower() or ("http" if _is_loopback(host) else "https")
        if scheme not in ("http", "https"):
            raise ConfigurationError("host: the scheme must be http or https", remedy=_EXPECTED)
        if port is None:
            port = HTTPS_PORT if scheme == "https" else http_port
        return cls(scheme, host, port)

    @property
    def url(self) -> str:
        """Scheme, host and port: `http://127.0.0.1:8181`."""
        return f"{self.scheme}://{self}"

    @property
    def secure(self) -> bool:
        """Whether the scheme is https."""
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, which no proxy is used for."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(authority: str) -> tuple[str, int | None]:
    # urlsplit drops line breaks and tabs, wherever they are.
    if any(character.isspace() or not character.isprintable() for character in authority):
        raise ConfigurationError("host holds a character that no server's name has", remedy=_EXPECTED)
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("host is not a server's address", remedy=_EXPECTED) from None
    if parts.username is not None:
        raise ConfigurationError("host holds a user name", remedy="InfluxDB 3 knows tokens only: use `token`")
    if not host:
        raise ConfigurationError("host names no server", remedy=_EXPECTED)
    if port == 0:
        raise ConfigurationError("host: 0 is not a port", remedy=_EXPECTED)
    if "%" in host:
        raise ConfigurationError("host: an IPv6 address with a zone is not supported", remedy=_EXPECTED)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            "host has a path, and Flight has no such thing", remedy=f"Give the server's own address. {_EXPECTED}"
        )
    if not (_is_address(host) if ":" in host else _is_name(host)):
        raise ConfigurationError("host is not a server's name or address", remedy=_EXPECTED)
    if port is None and parts.netloc.rpartition("]")[2].endswith(":"):
        raise ConfigurationError("host: a port is missing behind the colon", remedy=_EXPECTED)
    return host, port


def _is_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit():
        # Nothing but an IPv4 address ends in a number.
        return _is_address(host)
    return len(host) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
