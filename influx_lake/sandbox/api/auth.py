"""Token authentication, with InfluxDB 3's responses."""

from __future__ import annotations

import base64
import hmac
import secrets
from enum import Enum, auto


class Verdict(Enum):
    """The result of checking a request's credentials."""

    ACCEPTED = auto()
    MALFORMED = auto()
    REFUSED = auto()


def new_token() -> str:
    """A new token in InfluxDB's format."""
    return f"apiv3_{secrets.token_urlsafe(48)}"


def check(expected: str | None, header: str | None, parameter: str | None = None) -> Verdict:
    """Check a request's credentials.

    Args:
        expected: The expected token; None if no token is needed.
        header: The value of `Authorization`. The schemes Bearer, Token and Basic (`user:token`) are case-sensitive.
        parameter: The value of `?p=`, if the path allows it; it takes precedence over the header.
    """
    if expected is None:
        return Verdict.ACCEPTED
    if parameter is None and header is None:
        return Verdict.REFUSED
    presented = parameter if parameter is not None else _presented(header or "")
    if presented is None:
        return Verdict.MALFORMED
    same = hmac.compare_digest(expected.encode(), presented.encode())
    return Verdict.ACCEPTED if same else Verdict.REFUSED


def _presented(header: str) -> str | None:
    """The token in a header; None if the header has another form."""
    match header.split(" "):
        case ["Bearer" | "Token", token]:
            return token
        case ["Basic", encoded]:
            try:
                return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
            except ValueError:
                return None
        case _:
            return None
