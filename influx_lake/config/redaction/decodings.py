"""Decodes a text in all ways (percent, backslash, entities, base64, nested), with positions in the original."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_NESTED = 2
"""The greatest depth of nested encodings; the search decodes one more."""
_PERCENTS = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BACKSLASHED = re.compile(
    r"(?:\\x[0-9A-Fa-f]{2})+|(?:\\[0-7]{3})+|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    r"|\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}|\\[^xuU]",
    re.DOTALL,
)
_ENTITIES = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}
_LAST = 0x10FFFF

Undone = Iterator[tuple[str, int]]
"""Decoded texts, each with the length of its encoded form."""


@dataclass(frozen=True, slots=True)
class View:
    """A decoded text.

    Attributes:
        text: The decoded text.
        starts: The position in the original of each character, and of the end.
    """

    text: str
    starts: range | list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original of a part."""
        return self.starts[start], self.starts[end]


def views_of(text: str) -> list[View]:
    """The text itself, and all texts that decoding gives."""
    found = {text: View(text, range(len(text) + 1))}
    newest = list(found.values())
    for _ in range(_NESTED):
        undone = [_undone(view, escape, undo) for view in newest for escape, undo in _KINDS if escape.search(view.text)]
        newest = [view for view in undone if view.text not in found]
        found |= {view.text: view for view in newest}
    return list(found.values())


def _undone(view: View, escape: re.Pattern[str], undo: Callable[[str], Undone]) -> View:
    parts: list[str] = []
    starts: list[int] = []
    done = 0
    for found in escape.finditer(view.text):
        at = found.start()
        parts.append(view.text[done:at])
        starts.extend(view.starts[done:at])
        for text, length in undo(found[0]):
            parts.append(text)
            starts.extend(view.starts[at : at + length] if len(text) == length else [view.starts[at]] * len(text))
            at += length
        done = found.end()
    parts.append(view.text[done:])
    starts.extend(view.starts[done:])
    return View("".join(parts), starts)


def _percents(run: str) -> Undone:
    return _characters(bytes.fromhex(run.replace("%", "")), len("%41"))


def _backslashed(escape: str) -> Undone:
    if escape[1] == "x":
        yield from _characters(bytes.fromhex(escape.replace("\\x", "")), len("\\x41"))
    elif escape[1] in "01234567" and len(escape) >= len("\\101"):
        codes = [int(code, 8) for code in escape.split("\\")[1:]]
        yield from _characters(bytes(code % 256 for code in codes), len("\\101"))
    elif escape[1] in "uU" and len(escape) > len("\\u"):
        units = [int(unit.strip("{}"), 16) for unit in re.split(r"\\[uU]", escape)[1:]]
        if len(units) > 1:
            yield chr(0x10000 + ((units[0] - 0xD800) << 10) + units[1] - 0xDC00), len(escape)
        else:
            yield chr(min(units[0], _LAST)), len(escape)
    else:
        yield _LETTERS.get(escape[1], escape[1]), len(escape)


def _entities(entity: str) -> Undone:
    yield html.unescape(entity), len(entity)


def _base64(run: str) -> Undone:
    standard = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(standard + "=" * (-len(standard) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if not text or not all(each.isprintable() or each.isspace() for each in text):
        yield run, len(run)
        return
    done = 0
    for character in text:
        start, done = done, done + len(character.encode())
        yield character, done * 8 // 6 - start * 8 // 6
    yield "", len(run) - done * 8 // 6


def _characters(content: bytes, length: int) -> Undone:
    """Decode UTF-8 with the byte length of each character; invalid bytes as Latin-1."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text, content = content.decode("latin-1"), b""
    for character in text:
        yield character, length * (len(character.encode()) if content else 1)


_KINDS = ((_BASE64, _base64), (_PERCENTS, _percents), (_BACKSLASHED, _backslashed), (_ENTITIES, _entities))
