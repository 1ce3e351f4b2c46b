"""Creates influxdb3-python's client from a source's configuration."""

from __future__ import annotations

from typing import Any

from influx_lake.config import InfluxDB3Config, TlsConfig
from influx_lake.sources.http.credentials import token_text
from influx_lake.sources.tls import check_files

_LONGEST_MESSAGE = 2**31 - 1
_LONGEST_PAUSE_BETWEEN_CONNECTS_MS = 5_000


def make_client(config: InfluxDB3Config) -> Any:
    """An `InfluxDBClient3`, which connects on first use.

    Raises:
        ConfigurationError: The token or a certificate file cannot be used.
    """
    import influxdb_client_3

    tls = config.tls
    check_files(tls)
    make: Any = influxdb_client_3.InfluxDBClient3  # its functions have no types
    return make(
        host=config.address.url,  # with scheme: it builds an invalid URL from a host without one
        database=config.database,
        token=_bearer_token(config),
        auth_scheme="Bearer",
        query_port_overwrite=config.query_port,
        flight_client_options={"generic_options": _grpc_options(config), **_client_certificate(tls)},
        verify_ssl=tls.verify,
        ssl_ca_cert=tls.ca_file and str(tls.ca_file),
        cert_file=tls.cert_file and str(tls.cert_file),
        cert_key_file=tls.key_file and str(tls.key_file),
    )


def _bearer_token(config: InfluxDB3Config) -> str:
    """The token; empty for a server without authentication, where influxdb3-python still needs a string."""
    return token_text(config.token, config) if config.token else ""


def _grpc_options(config: InfluxDB3Config) -> list[tuple[str, int]]:
    return [
        # Despite its name this is how long one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", round(config.connect_timeout.total_seconds() * 1000)),
        # gRPC's default is two minutes, during which a server that is up again would still count as down.
        ("grpc.max_reconnect_backoff_ms", _LONGEST_PAUSE_BETWEEN_CONNECTS_MS),
        # Flight accepts messages of any length, which have to fit into memory.
        ("grpc.max_receive_message_length", min(config.max_document, _LONGEST_MESSAGE)),
        # gRPC uses the proxy of `http_proxy` for a server on this machine too.
        *([("grpc.enable_http_proxy", 0)] if config.address.is_loopback else []),
    ]


def _client_certificate(tls: TlsConfig) -> dict[str, bytes]:
    """The client certificate for Flight: influxdb3-python itself uses it for HTTP only."""
    if not (tls.cert_file and tls.key_file):
        return {}
    return {"cert_chain": tls.cert_file.read_bytes(), "private_key": tls.key_file.read_bytes()}
