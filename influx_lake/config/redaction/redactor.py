"""The registry of secrets that this process has read, and `redact`."""

from __future__ import annotations

import base64
import binascii
import os
import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from influx_lake.config.redaction.decodings import views_of
from influx_lake.config.redaction.encodings import Span, Spellings
from influx_lake.config.redaction.logs import guard_log_records
from influx_lake.config.redaction.secret_parts import secret_parts

HIDDEN = "**********"

_known: dict[str, Spellings] = {}

# Environment variables that libraries read by themselves. Shorter values occur in tests only.
_ENVIRONMENT = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN)|PGPASSWORD"
    r"|AZURE_(CLIENT_SECRET|STORAGE_(ACCOUNT_KEY|KEY|CONNECTION_STRING|SAS_TOKEN))"
    r"|PYICEBERG_CATALOG__\w*(TOKEN|CREDENTIAL|SECRET|PASSWORD|KEY)\w*"
)
_BEGINNINGS = ("AWS_", "PGPASSWORD", "AZURE_", "PYICEBERG_CATALOG__")
_SHORTEST_IN_ENVIRONMENT = 16

# Secrets that others gave out, such as the token that a catalog's token endpoint answers: known by what stands before.
_GIVEN_OUT = re.compile(
    r"""(?ix)
    (?: \b (?: access_token | refresh_token | id_token | client_secret | client_assertion
             | x-amz-security-token | x-amz-signature | x-amz-credential )
        (?: \\* ["'] )? (?: \s* [=:] \s* | %(?:25)*3[Dd] ) (?: \\* ["'] )?
      | \b bearer (?: \s+ | %(?:25)*20 | \+ ) (?= [^\s"'&<>,;\\]* \d ) )
    (?P<value> [^\s"'&<>,;\\]{8,} )
    """
)
_MARKS = ("_token", "client_", "x-amz-", "bearer", "basic")
_BASIC = re.compile(r"\bbasic(?:\s+|%(?:25)*20|\+)(?P<value>[A-Za-z0-9+/_-]{4,}={0,2})", re.IGNORECASE)


def remember(value: str, pieces: Iterable[str] = ()) -> None:
    """Register a secret, so that it and its parts are redacted in every text.

    Args:
        value: The secret.
        pieces: The values of the references in it.
    """
    guard_log_records(redact)
    for part in secret_parts(value, pieces):
        if part not in _known:
            _known[part] = Spellings(part)


def forget() -> None:
    """Clear the registry, for tests."""
    _known.clear()


def redact(text: str) -> str:
    """Replace all registered secrets, their parts and encodings in a text by asterisks."""
    _remember_environment()
    known = tuple(_known.values())
    if not known and not _may_hold_given_out(text):
        return text
    spans = [
        view.span(*span)
        for view in views_of(text)
        for span in (*_given_out(view.text), *(span for each in known for span in each.find(view.text)))
    ]
    if not spans:
        return text
    shown, done = [], 0
    for start, end in _joined(spans):
        shown += [text[done:start], HIDDEN]
        done = end
    return "".join([*shown, text[done:]])


def redacted(content: Any) -> Any:
    """JSON with redacted strings and keys; numbers and structure are unchanged."""
    if isinstance(content, str):
        return redact(content)
    if isinstance(content, Mapping):
        return {redacted(name): redacted(inner) for name, inner in content.items()}
    return [redacted(inner) for inner in content] if isinstance(content, list | tuple) else content


def leaks(error: BaseException) -> bool:
    """Whether a registered secret is in an exception's traceback, causes included."""
    text = "".join(traceback.format_exception(error))
    return redact(text) != text


def _remember_environment() -> None:
    # Each text is redacted: only the few variables that may be secrets are looked at.
    for name in os.environ:
        if name.startswith(_BEGINNINGS) and _ENVIRONMENT.fullmatch(name):
            value = os.environ.get(name, "")
            if value not in _known and len(value) >= _SHORTEST_IN_ENVIRONMENT:
                remember(value)


def _given_out(text: str) -> list[Span]:
    if not _may_hold_given_out(text):
        return []
    spans = [found.span("value") for found in _GIVEN_OUT.finditer(text) if found["value"] != HIDDEN]
    return spans + [found.span("value") for found in _BASIC.finditer(text) if _is_user_and_password(found["value"])]


def _may_hold_given_out(text: str) -> bool:
    lowered = text.lower()
    return any(mark in lowered for mark in _MARKS)


def _joined(spans: Iterable[Span]) -> Iterable[Span]:
    """Merge spans that overlap or touch."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _is_user_and_password(text: str) -> bool:
    try:
        standard = text.rstrip("=").replace("-", "+").replace("_", "/")
        return ":" in base64.b64decode(standard + "=" * (-len(standard) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
