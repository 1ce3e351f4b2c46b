"""Patterns of names: globs (`http_*`) and regular expressions (`/^http_[0-9]+$/`)."""

from __future__ import annotations

import fnmatch
import re
import warnings
from dataclasses import dataclass
from functools import cached_property

_GLOB = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[!?+\]?+[^\]]*\]", re.DOTALL)


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern rather than a name."""
    return _is_regex(text) or _GLOB.search(text) is not None


def pattern_mistake(text: str) -> str | None:
    """The mistake in a pattern; None where it is valid."""
    if not _is_regex(text):
        open_class = _CLASS.sub("", text).partition("[")[1]
        return "opens a class with [ and does not close it: write [[] for the character itself" if open_class else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text[1:-1])
    except (re.error, OverflowError, Warning) as error:
        return f"is not a regular expression: {error}"
    except RecursionError:
        return "is not a regular expression: it is nested too deeply"
    return None


@dataclass(frozen=True)
class NamePattern:
    """A pattern, or a name, which matches itself.

    A glob matches a whole name; a regular expression matches anywhere in it, as in InfluxQL.
    """

    text: str

    def matches(self, name: str) -> bool:
        """Whether it matches a name."""
        if not is_pattern(self.text):
            return name == self.text
        return self._compiled.search(name) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.text[1:-1] if _is_regex(self.text) else r"\A" + fnmatch.translate(self.text))


def _is_regex(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")
