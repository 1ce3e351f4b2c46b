"""Finds a text in other texts in any encoding: percent-encoded, JSON, HTML, Python escapes, base64."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

_SHORT = 6
_SHORTEST_IN_BASE64 = 4
_SHORTEST_IN_HEX = 4
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a", "\0": "0"}
_TO_BASE64 = str.maketrans("-_", "+/")
_IN_BASE64 = re.compile(r"[A-Za-z0-9+/=]")
_SPILL = 3
# A short text is a word of its own also where an escape stands before it: `%3Aab`, `\nab`.
_ESCAPE_BEFORE = re.compile(r"(?:%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[nrt])\Z")
_WORD = re.compile(r"[A-Za-z0-9]")

Span = tuple[int, int]


class Spellings:
    """Finds a text in all its encodings.

    Args:
        text: The text. A short one is found only as a separate word, to leave unrelated words alone.
    """

    def __init__(self, text: str) -> None:
        content = text.encode("utf-8", "surrogatepass")
        self._is_short = len(text) < _SHORT
        self._escaped = _Escaped(text)
        encoded = dict.fromkeys((content, quote(content, safe="").encode(), quote_plus(content).encode()))
        self._in_base64 = [_Escaped(middle) for each in encoded for middle in _base64_cores(each)]
        self._in_hex = re.compile(content.hex(), re.IGNORECASE) if len(content) >= _SHORTEST_IN_HEX else None

    def find(self, text: str) -> Iterator[Span]:
        """The spans of the text in another one."""
        for span in self._escaped.find(text):
            if not self._is_short or _is_word(text, span):
                yield span
        standard = text.translate(_TO_BASE64)
        for middle in self._in_base64:
            for start, end in middle.find(standard):
                yield _widened(standard, start, end)
        if self._in_hex:
            yield from (found.span() for found in self._in_hex.finditer(text))


class _Escaped:
    """Matches a text whose characters may each be escaped in any way."""

    def __init__(self, text: str) -> None:
        self._text = text
        first = text[0]
        follows = f"(?=[{re.escape(text[1])}%&\\\\+])" if len(text) > 1 else ""
        byte = first.encode("utf-8", "surrogatepass")[0]
        behind = "uUx0-9" + _LETTERS.get(first, "" if first.isalnum() else re.escape(first))
        escapes = [f"(?i:%(?={byte:02x}))", rf"\\(?=[{behind}])", "&(?=[#A-Za-z])", *([r"\+"] if first == " " else [])]
        # A quick search for possible starts, which rules out most positions.
        self._starts = re.compile("|".join([re.escape(first) + follows, *escapes]))

    def find(self, text: str) -> Iterator[Span]:
        done = 0
        for found in self._starts.finditer(text):
            start = found.start()
            if start >= done and (end := self._end(text, start)):
                done = end
                yield start, end

    def _end(self, text: str, start: int) -> int:
        """The end of a match that starts here; 0 where there is none."""
        ends = {start}
        for character in self._text:
            ends = {end for at in ends if at < len(text) for end in _ends(text, at, character)}
            if not ends:
                return 0
        return max(ends)


def _ends(text: str, at: int, character: str) -> Iterator[int]:
    """The possible ends of a character at a position, plain or escaped."""
    if text[at] == character or (text[at] == "+" and character == " "):
        yield at + 1
    if text[at] in "%\\&" and (escape := _escapes(character).match(text, at)):
        yield escape.end()


@lru_cache(maxsize=1024)
def _escapes(character: str) -> re.Pattern[str]:
    code, content = ord(character), character.encode("utf-8", "surrogatepass")
    pair = character.encode("utf-16-be", "surrogatepass").hex()
    ways = [
        "".join(f"%{byte:02x}" for byte in content),
        "".join(rf"\\x{byte:02x}" for byte in content),
        "".join(rf"\\{byte:03o}" for byte in content),
        "".join(rf"\\u{pair[start : start + 4]}" for start in range(0, len(pair), 4)),
        rf"\\u\{{0*{code:x}\}}",
        rf"\\U{code:08x}",
        f"&#0*{code};",
        f"&#x0*{code:x};",
    ]
    if code < 0x100:
        ways.append(rf"\\x{code:02x}")
    exact = [rf"\\{_LETTERS[character]}"] if character in _LETTERS else []
    exact += [rf"\\{re.escape(character)}"] if not character.isalnum() else []
    exact += [f"&{name};" for name in (codepoint2name.get(code), "apos" if character == "'" else None) if name]
    return re.compile("|".join([*exact, f"(?i:{'|'.join(ways)})"]), re.DOTALL)


def _base64_cores(content: bytes) -> Iterator[str]:
    """The base64 of a text at offsets 0, 1 and 2, without the characters that depend on neighbours."""
    for before in range(3):
        written = base64.b64encode(bytes(before) + content + bytes(3)).decode()
        middle = written[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        if len(middle) >= _SHORTEST_IN_BASE64:
            yield middle


def _widened(text: str, start: int, end: int) -> Span:
    """A span extended by base64 characters that encode some bits of the text's first and last bytes."""
    for _ in range(_SPILL):
        start -= 1 if start and _IN_BASE64.match(text, start - 1) else 0
        end += 1 if _IN_BASE64.match(text, end) else 0
    return start, end


def _is_word(text: str, span: Span) -> bool:
    start, end = span
    free = not start or not _WORD.match(text, start - 1) or _ESCAPE_BEFORE.search(text[max(0, start - 6) : start])
    return bool(free) and not _WORD.match(text, end)
