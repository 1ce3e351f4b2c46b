"""Where a server is, from what a person writes for `host`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from influx_lake.errors import ConfigurationError

INFLUXDB3_PORT = 8181
HTTPS_PORT = 443
"""The port of the cloud and of most proxies."""

_EXPECTED = "Write a name or address, with or without http(s):// and port: https://influx.example.com:8181"


@dataclass(frozen=True, slots=True)
class Address:
    """A server's scheme, host and port.

    influxdb3-python takes any `host` for a URL with a scheme, and assumes port 443 also for `http`; an address is
    complete, so that nothing is left for it to assume.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, http_port: int = INFLUXDB3_PORT) -> Address:
        """Read `name`, `name:port`, `http://name:port`, `[::1]:8181` or `::1`.

        Without a scheme it is https, so that a token never travels in the clear by accident; on the loopback interface,
        where InfluxDB is usually started without TLS, it is http.

        Args:
            text: What a person wrote.
            http_port: The port of an http address that names none.

        Raises:
            ConfigurationError: The text is none of these. It is not repeated: it may hold a password.
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
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(authority: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("host is not a server's address", remedy=_EXPECTED) from None
    if parts.username is not None:
        raise ConfigurationError("host holds a user name", remedy="InfluxDB 3 knows tokens only: use `token`")
    if not host or any(character.isspace() for character in host):
        raise ConfigurationError("host names no server", remedy=_EXPECTED)
    if port == 0:
        raise ConfigurationError("host: 0 is not a port", remedy=_EXPECTED)
    if "%" in host:
        raise ConfigurationError("host: an IPv6 address with a zone is not supported", remedy=_EXPECTED)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            "host has a path, and Flight has no such thing", remedy=f"Give the server's own address. {_EXPECTED}"
        )
    return host, port


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
