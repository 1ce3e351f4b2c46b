"""The parts of a secret that are secret by themselves, such as the password in `id:password`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

SECRET_NAME = re.compile(
    r"token|credential|secret|pass(w|phrase|$)|pwd|key|authorization|cookie|signature|\bsig$|\bsas|connection.?string",
    re.IGNORECASE,
)
"""Matches names of options, properties and parameters with secret values."""

_SHORTEST_LINE = 8
_SHORTEST_IN_PATH = 8
_SCHEME_AND_VALUE = re.compile(r"(?i:basic|bearer|token|apikey)\s+(\S+)")
_USERINFO = re.compile(r"[^:/?#\s]+://([^:/@]*)(?::([^@]*))?@")
_PAIR = re.compile(r"[^:\s]*:(\S+)")
_FIELDS = re.compile(r"[;&?\s]")
_FRAME = "-----"


def secret_parts(value: str, pieces: Iterable[str] = ()) -> set[str]:
    """A secret and all of its secret parts.

    Args:
        value: The secret.
        pieces: The values of the references in it: `hunter2` of `id:${SECRET}`.
    """
    found = {value, value.strip()}
    if address := _parts_of_address(value):
        found |= address
        # The host and user of a URL are not secret.
        found |= {piece for piece in pieces if any(piece in part or part in piece for part in address)}
    else:
        found |= {*pieces, *_parts_of_text(value)}
        for piece in pieces:
            found |= _parts_of_address(piece) or set(_parts_of_text(piece))
    found |= {read(text) for text in found for read in (unquote, unquote_plus)}
    return found - {""}


def _parts_of_address(value: str) -> set[str]:
    """The password of a URL, or its path where that is the secret; nothing for other texts."""
    try:
        parts = urlsplit(value.strip())
        query = parse_qsl(parts.query)
    except ValueError:
        return set()
    if not parts.scheme or not parts.netloc:
        return set()
    found = {text for name, text in query if SECRET_NAME.search(name)}
    userinfo, separator, _ = parts.netloc.rpartition("@")
    # SQLAlchemy takes a password as it is written, also one with a slash.
    written = _USERINFO.match(value.strip())
    if separator or written:
        found |= {userinfo.partition(":")[2] or userinfo, written[2] or written[1] if written else ""}
    elif parts.scheme in ("http", "https"):
        path = value.strip().partition("://")[2].partition("/")[2]
        inside = {path, parts.path, *parts.path.split("/"), *(text for _, text in query)}
        found |= {text for text in inside if len(text.strip("/")) >= _SHORTEST_IN_PATH}
    return found - {""}


def _parts_of_text(value: str) -> Iterator[str]:
    yield from _lines(value)
    yield from _members(value)
    yield from _fields(value)
    if (scheme := _SCHEME_AND_VALUE.fullmatch(value.strip())) is not None:
        yield scheme[1]
        yield from _pair(_decoded(scheme[1]))
    else:
        yield from _pair(value.strip())


def _pair(text: str) -> Iterator[str]:
    """The text after the first colon: the password of `user:password`."""
    if (pair := _PAIR.fullmatch(text)) is not None:
        yield pair[1]


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _lines(value: str) -> Iterator[str]:
    """The lines of a private key between its header and footer."""
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith(_FRAME))


def _fields(value: str) -> Iterator[str]:
    """The secret values of `AccountName=a;AccountKey=k` and `sv=2022&sig=s`."""
    for field in _FIELDS.split(value):
        name, separator, text = field.partition("=")
        if separator and SECRET_NAME.search(name):
            yield text


def _members(value: str) -> Iterator[str]:
    """The secret values of a JSON object, such as a service account's key."""
    if not value.lstrip().startswith("{"):
        return
    try:
        content = json.loads(value)
    except (ValueError, RecursionError):
        return
    yield from _secret_texts(content, named=False)


def _secret_texts(content: Any, *, named: bool) -> Iterator[str]:
    if isinstance(content, dict):
        for name, inner in content.items():
            yield from _secret_texts(inner, named=named or SECRET_NAME.search(name) is not None)
    elif isinstance(content, list):
        for inner in content:
            yield from _secret_texts(inner, named=named)
    elif isinstance(content, str) and named:
        yield content
        yield from _lines(content)
