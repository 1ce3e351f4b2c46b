"""Authentication by the tokens that `serve` of lake.yaml lists."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
from collections.abc import Sequence

from influx_lake.config.references.secret import Secret
from influx_lake.errors import LakeError

log = logging.getLogger("influx_lake.serve")

_SCHEMES = ("bearer", "token")


class Tokens:
    """The tokens that are accepted.

    Args:
        secrets: References to the tokens. Without any, every request is accepted.

    Raises:
        ConfigurationError: One cannot be read.
    """

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = tuple(secrets)
        self._digests = self._read()

    @property
    def are_needed(self) -> bool:
        """Whether a request needs a token."""
        return bool(self._secrets)

    def refresh(self) -> None:
        """Read the tokens again, since files and secret stores may have changed. One that cannot be read keeps its
        value.
        """
        try:
            self._digests = self._read()
        except LakeError as error:
            log.warning("the tokens of the service stay as they are: %s", error)

    def accepts(self, authorization: str | None) -> bool:
        """Whether a header holds an accepted token; compares in constant time."""
        if not self._secrets:
            return True
        given = _digest(_token_in(authorization or ""))
        # Compare with the digests of all tokens, so that timing reveals nothing.
        found = [hmac.compare_digest(given, digest) for digest in self._digests]
        return any(found)

    def _read(self) -> list[bytes]:
        values = [secret.reveal() for secret in self._secrets]
        return [_digest(value) for value in values if value]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _token_in(authorization: str) -> str:
    """The token in a header: of `Bearer`, of InfluxDB's `Token`, or the password of `Basic`. Empty where there is none;
    no token is.
    """
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() in _SCHEMES:
        return rest
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return ""
    return ""
