"""Which points a plugin of Telegraf takes, and which of their columns it leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.cli.telegraf.document import Plugin, texts
from influx_lake.cli.telegraf.places import NotCarriedOver
from influx_lake.config.values.patterns import NamePattern, is_pattern

_BRACES = re.compile(r"\{([^{}]*)\}")
EVERY_NAME = "*"

NAME_OPTIONS = frozenset({"namepass", "namedrop", "namepass_separator", "namedrop_separator"})
COLUMN_OPTIONS = frozenset({"fieldinclude", "fieldexclude", "fieldpass", "fielddrop", "taginclude", "tagexclude"})
VALUE_OPTIONS = ("tagpass", "tagdrop", "metricpass")


def patterns(globs: Iterable[str]) -> list[str]:
    """Globs of Telegraf as patterns of lake.yaml: `{a,b}` is not known there and becomes several."""
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


def matches(name: str, wanted: Iterable[str]) -> bool:
    """Whether one of some patterns stands for a name; a pattern in its place is one that it contains."""
    return any(pattern == name or NamePattern(pattern).matches(name) for pattern in wanted)


def one_name(name: str) -> str:
    """The name of one column.

    Raises:
        NotCarriedOver: It is a pattern: transforms of values name each column.
    """
    if not name or is_pattern(name):
        raise NotCarriedOver(f"transforms of values name each column: what does {name!r} stand for?")
    return name


@dataclass(frozen=True, slots=True)
class NameFilter:
    """The measurements that a plugin takes.

    Attributes:
        passed: Only these; none for all.
        dropped: All but these.
    """

    passed: tuple[str, ...]
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, plugin: Plugin) -> NameFilter:
        """That of a plugin."""
        return cls(tuple(patterns(plugin.texts("namepass"))), tuple(patterns(plugin.texts("namedrop"))))

    def takes(self, name: str) -> bool:
        """Whether it takes a measurement, or all that a pattern stands for."""
        return (not self.passed or matches(name, self.passed)) and not matches(name, self.dropped)

    def names(self) -> list[str]:
        """All that it names."""
        return [*self.passed, *self.dropped]


@dataclass(frozen=True, slots=True)
class ColumnFilter:
    """The columns that a plugin leaves of a point.

    Attributes:
        fields: The fields that are kept, and those that are not; None for all.
        tags: The same of tags.
    """

    fields: tuple[list[str] | None, list[str]]
    tags: tuple[list[str] | None, list[str]]

    @classmethod
    def of(cls, plugin: Plugin) -> ColumnFilter:
        """That of a plugin."""

        def listed(*options: str) -> list[str]:
            return patterns(text for option in options for text in texts(plugin.options.get(option)))

        return cls(
            (listed("fieldinclude", "fieldpass") or None, listed("fieldexclude", "fielddrop")),
            (listed("taginclude") or None, listed("tagexclude")),
        )
