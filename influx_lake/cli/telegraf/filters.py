"""Converts a plugin's metric filters (namepass, fieldpass, tagexclude, ...) to patterns of lake.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.cli.telegraf.document import Plugin, texts
from influx_lake.cli.telegraf.remarks import NotCarriedOver
from influx_lake.config.values.patterns import NamePattern, is_pattern

_BRACES = re.compile(r"\{([^{}]*)\}")
EVERY_NAME = "*"

NAME_OPTIONS = frozenset({"namepass", "namedrop", "namepass_separator", "namedrop_separator"})
COLUMN_OPTIONS = frozenset({"fieldinclude", "fieldexclude", "fieldpass", "fielddrop", "taginclude", "tagexclude"})
VALUE_OPTIONS = ("tagpass", "tagdrop", "metricpass")


def patterns(globs: Iterable[str]) -> list[str]:
    """Convert Telegraf's globs to patterns of lake.yaml, which does not have `{a,b}`: one becomes several."""
    found: dict[str, None] = {}
    for glob in globs:
        for each in _expanded(glob) if is_pattern(glob) else [glob]:
            found[each] = None
    return list(found)


def _expanded(glob: str) -> list[str]:
    braces = _BRACES.search(glob)
    if braces is None:
        return [glob]
    before, after = glob[: braces.start()], glob[braces.end() :]
    return [text for choice in braces[1].split(",") for text in _expanded(before + choice + after)]


def matches(name: str, accepted: Iterable[str]) -> bool:
    """Whether some patterns match a name; where the name is a pattern, whether they contain it."""
    return any(pattern == name or NamePattern(pattern).matches(name) for pattern in accepted)


def one_name(name: str) -> str:
    """The name of a single column.

    Raises:
        NotCarriedOver: It is a pattern, and transforms of values name single columns.
    """
    if not name or is_pattern(name):
        raise NotCarriedOver(f"transforms of values name each column: what does {name!r} stand for?")
    return name


@dataclass(frozen=True, slots=True)
class NameFilter:
    """The filter of measurements of a plugin.

    Attributes:
        passed: `namepass`; empty: all.
        dropped: `namedrop`.
    """

    passed: tuple[str, ...]
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, plugin: Plugin) -> NameFilter:
        """The filter of a plugin."""
        return cls(tuple(patterns(plugin.texts("namepass"))), tuple(patterns(plugin.texts("namedrop"))))

    def takes(self, name: str) -> bool:
        """Whether it passes a measurement, or all that a pattern matches."""
        return (not self.passed or matches(name, self.passed)) and not matches(name, self.dropped)

    def names(self) -> list[str]:
        """The names in it."""
        return [*self.passed, *self.dropped]


@dataclass(frozen=True, slots=True)
class ColumnFilter:
    """The filter of columns of a plugin.

    Attributes:
        fields: The patterns of fields that are kept and dropped; None: all are kept.
        tags: The same for tags.
    """

    fields: tuple[list[str] | None, list[str]]
    tags: tuple[list[str] | None, list[str]]

    @classmethod
    def of(cls, plugin: Plugin) -> ColumnFilter:
        """The filter of a plugin."""

        def listed(*options: str) -> list[str]:
            return patterns(text for option in options for text in texts(plugin.options.get(option)))

        return cls(
            (listed("fieldinclude", "fieldpass") or None, listed("fieldexclude", "fielddrop")),
            (listed("taginclude") or None, listed("tagexclude")),
        )
