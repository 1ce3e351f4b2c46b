"""Formats credentials as headers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from influx_lake.config import Secret
from influx_lake.config.connections import ServerConfig
from influx_lake.errors import ConfigurationError


def header_value(scheme: str, token: Secret, config: ServerConfig) -> Mapping[str, str]:
    """The header with a token; none for an empty token, for servers without authorization.

    Raises:
        ConfigurationError: The token holds characters that headers cannot.
    """
    value = token_text(token, config)
    return {"Authorization": f"{scheme} {value}"} if value else {}


def token_text(token: Secret, config: ServerConfig) -> str:
    """The token.

    Raises:
        ConfigurationError: The token holds characters that headers cannot.
    """
    value = token.reveal()
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"the token for {config.address.url} holds characters that no token has, such as the end of a line",
            remedy="Correct the source's `token`",
        )
    return value


def basic(user: str, password: Secret) -> Mapping[str, str]:
    """The header with user and password."""
    encoded = b64encode(f"{user}:{password.reveal()}".encode()).decode()
    # The encoded form reveals the password.
    return {"Authorization": f"Basic {Secret(encoded).reveal()}"}
