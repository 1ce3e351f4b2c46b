"""Credentials as headers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from influx_lake.config import Secret
from influx_lake.config.connections import ServerConfig
from influx_lake.errors import ConfigurationError


def header_value(scheme: str, token: Secret, config: ServerConfig) -> Mapping[str, str]:
    """The header that carries a token; none for an empty one, as a server without authorization has it.

    Raises:
        ConfigurationError: It holds what no header may.
    """
    value = token_text(token, config)
    return {"Authorization": f"{scheme} {value}"} if value else {}


def token_text(token: Secret, config: ServerConfig) -> str:
    """The token.

    Raises:
        ConfigurationError: It holds what no header may.
    """
    value = token.reveal()
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"the token for {config.address.url} holds characters that no token has, such as the end of a line",
            remedy="Correct the source's `token`",
        )
    return value


def basic(user: str, password: Secret) -> Mapping[str, str]:
    """The header that carries a user and a password."""
    encoded = b64encode(f"{user}:{password.reveal()}".encode()).decode()
    # The encoded form is as good as the password.
    return {"Authorization": f"Basic {Secret(encoded).reveal()}"}
