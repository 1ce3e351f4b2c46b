"""The two dialects of line protocol: which characters are escaped, and which names and strings cannot be written.

InfluxDB 1 and 2 parse it in Go (`models/points.go` of InfluxDB 1.8 and 2.7): in a measurement and in tags a backslash
escapes the comma, the blank or the equals sign behind it and is literal elsewhere, so a name cannot end in one. Field
keys consume backslashes in pairs. InfluxDB 3 parses it in Rust (`influxdb_line_protocol`), where a backslash escapes a
backslash too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Grammar:
    """The escaping rules of one kind of name or string.

    Attributes:
        escaped: The characters that get a backslash.
        unwritable: What cannot be written, as regular expressions (RE2), each with its description.
        misread: A regular expression of what makes the server's parser miscount quotes when it splits a body into
            lines.
    """

    escaped: str
    unwritable: tuple[tuple[str, str], ...] = ()
    misread: str | None = None

    def written(self, text: str) -> str:
        """A string, escaped."""
        return re.sub(self._pattern, r"\\\1", text)

    def written_all(self, texts: pa.Array) -> pa.Array:
        """Strings, escaped."""
        # Nearly all strings have none, and searching is several times faster than replacing.
        if not pc.any(pc.match_substring_regex(texts, self._pattern)).as_py():
            return texts
        return pc.replace_substring_regex(texts, self._pattern, r"\\\1")

    def faults(self, texts: pa.Array) -> pa.Array | None:
        """Why each string cannot be written, null where it can; None where all can."""
        found: pa.Array | None = None
        for pattern, reason in self.unwritable:
            wrong = pc.fill_null(pc.match_substring_regex(texts, pattern), fill_value=False)
            if pc.any(wrong).as_py():
                known = pa.nulls(len(texts), pa.string()) if found is None else found
                found = pc.if_else(wrong, pa.scalar(reason), known)
        return found

    def misreads(self, texts: pa.Array) -> pa.Array | None:
        """Mask of the strings that make the parser miscount quotes; None where none does."""
        if self.misread is None:
            return None
        found = pc.match_substring_regex(texts, self.misread)
        return found if pc.any(found).as_py() else None

    def fault(self, text: str) -> str | None:
        """Why a string cannot be written; None where it can."""
        return _fault(self, text)

    @property
    def _pattern(self) -> str:
        return f"([{re.escape(self.escaped)}])"


@lru_cache(maxsize=10_000)
def _fault(grammar: Grammar, text: str) -> str | None:
    # Names are the same in every batch of points.
    faults = grammar.faults(pa.array([text]))
    reason: str | None = None if faults is None else faults[0].as_py()
    return reason


@dataclass(frozen=True, slots=True)
class Dialect:
    """The grammar of one parser of line protocol.

    Attributes:
        measurement: Measurement names.
        tag: Tag keys and values.
        field: Field keys.
        text: String field values.
    """

    measurement: Grammar
    tag: Grammar
    field: Grammar
    text: Grammar = Grammar('"\\')


_EMPTY = (r"\A\z", "is empty")
_BREAK = (r"\n", "has a line break, for which line protocol has no form")
_BLANK = (r"\t", "has a tabulator, for which line protocol has no form here")
_END = (r"\\\z", "ends with a backslash, which would escape what follows")
_COMMENT = (r"\A#", "begins with a number sign, as a comment does")
_START = (r"\A[\t\x00]", "begins with a blank that is skipped")

# The servers accept such points, but no query returns them (1.8.10, 2.7.12).
_UNREADABLE = (r'\\[,= "]', 'has a backslash before one of `, ="`, with which InfluxDB 1 and 2 lose measurements')
_ODD_BACKSLASHES = r"(?:\A|[^\\])(?:\\\\)*\\"

GO = Dialect(
    # When a body is split into lines, backslashes are consumed in pairs: after an odd number of them the escaped
    # character is taken as unescaped.
    measurement=Grammar(", ", (_EMPTY, _BREAK, _END, _COMMENT, _START, _UNREADABLE)),
    tag=Grammar(",= ", (_EMPTY, _BREAK, _END), _ODD_BACKSLASHES + "[,= ]"),
    field=Grammar(
        ',= "',
        (
            _EMPTY,
            _BREAK,
            (_ODD_BACKSLASHES + '[,= "]', "has a backslash before a character that has to be escaped"),
            _END,
            _START,
        ),
    ),
)
"""InfluxDB 1 and 2, and files that they export."""
RUST = Dialect(
    measurement=Grammar(", \\", (_EMPTY, _BREAK, _BLANK, (r"\x00", "has a NUL"), _END, _COMMENT)),
    tag=Grammar(",= \\", (_EMPTY, _BREAK, _BLANK, _END)),
    field=Grammar(",= \\", (_EMPTY, _BREAK, _BLANK, _END)),
)
"""InfluxDB 3."""
