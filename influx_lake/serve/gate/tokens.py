"""Who may ask: whoever sends one of the tokens of lake.yaml."""

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
        secrets: Where they are. Without any, everybody is accepted.

    Raises:
        ConfigurationError: One cannot be read.
    """

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = tuple(secrets)
        self._digests = self._read()

    @property
    def are_needed(self) -> bool:
        """Whether anybody has to send one."""
        return bool(self._secrets)

    def refresh(self) -> None:
        """Read them again: files and stores may hold others now. Those that cannot be read stay as they were."""
        try:
            self._digests = self._read()
        except LakeError as error:
            log.warning("the tokens of the service stay as they are: %s", error)

    def accepts(self, authorization: str | None) -> bool:
        """Whether a request with this header may be answered. It takes as long whatever is wrong."""
        if not self._secrets:
            return True
        given = _digest(_token_in(authorization or ""))
        # All of them, and digests: neither which one fits nor how much of it is told by time.
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
