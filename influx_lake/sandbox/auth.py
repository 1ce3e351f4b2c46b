"""Tokens: how clients present them, and what the server answers when they do not fit."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from enum import Enum, auto


class Verdict(Enum):
    """What became of a request's credentials."""

    ACCEPTED = auto()
    MALFORMED = auto()
    REFUSED = auto()


def new_token() -> str:
    """A token in the server's form."""
    return f"apiv3_{secrets.token_urlsafe(48)}"


def check(expected: str | None, header: str | None, parameter: str | None = None) -> Verdict:
    """Judge a request.

    Args:
        expected: The token that is right, or None when none is asked for.
        header: The value of `Authorization`. The schemes Bearer, Token and Basic (`user:token`) are case-sensitive.
        parameter: The value of `?p=`, where the path allows it; it comes before the header.
    """
    if expected is None:
        return Verdict.ACCEPTED
    if parameter is not None:
        return _compare(expected, parameter)
    if header is None:
        return Verdict.REFUSED
    match header.split(" "):
        case ["Bearer" | "Token", presented]:
            return _compare(expected, presented)
        case ["Basic", encoded]:
            try:
                _, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return Verdict.MALFORMED
            return _compare(expected, password)
        case _:
            return Verdict.MALFORMED


def _compare(expected: str, presented: str) -> Verdict:
    same = hmac.compare_digest(expected.encode(), presented.encode())
    return Verdict.ACCEPTED if same else Verdict.REFUSED
