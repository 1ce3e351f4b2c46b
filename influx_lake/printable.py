"""Escapes control and bidirectional characters in text, so that no name can control a terminal."""

from __future__ import annotations

import json

_LINE_BREAK = "\n"
# C0 and C1 controls move the cursor and change colours; Unicode's bidirectional controls (UAX #9) show text in another
# order than it is stored in; its line and paragraph separators begin lines that nobody wrote.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SEPARATORS = [0x2028, 0x2029]
_UNPRINTABLE = [*_CONTROLS, *_DIRECTIONS, *_SEPARATORS]


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_NAME = {code: _escape(code) for code in _UNPRINTABLE}
_TEXT = {code: text for code, text in _NAME.items() if chr(code) != _LINE_BREAK}
_JSON = {code: f"\\u{code:04x}" for code in _UNPRINTABLE if chr(code) != _LINE_BREAK}


def printable(text: str) -> str:
    """Lines of text, with control and direction characters other than line breaks escaped as in Python."""
    return text.translate(_TEXT)


def printable_name(name: str) -> str:
    """A name on one line: line breaks are escaped too."""
    return name.translate(_NAME)


def printable_json(content: object) -> str:
    """An object as JSON, with control and direction characters as JSON escapes, so that it parses to the same value."""
    return json.dumps(content, indent=2, ensure_ascii=False).translate(_JSON)
