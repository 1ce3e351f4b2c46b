"""Resolves the measurements of points in messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from influx_lake.config import Lake, Measurement
from influx_lake.config.lake.lake import Pattern
from influx_lake.config.values.patterns import NamePattern


@dataclass(slots=True)
class Routing:
    """The measurements of a lake that a stream fills, by their names in messages.

    Attributes:
        lake: The lake.
        stream: The stream's name.
    """

    lake: Lake
    stream: str
    _known: dict[str, tuple[Measurement, ...]] = field(default_factory=dict)

    def measurements(self, names: Iterable[str]) -> dict[str, tuple[Measurement, ...]]:
        """The measurements of points by name: several where it has several tables, none where it has none.

        A new name that a pattern matches becomes a measurement.
        """
        names = list(names)
        if new := [name for name in names if name not in self._known]:
            self._known |= self._found(new)
        return {name: self._known[name] for name in names}

    def discovered(self) -> dict[str, set[str]]:
        """The names in messages that the patterns of each source match."""
        found: dict[str, set[str]] = {}
        for measurements in self._known.values():
            for each in measurements:
                if each not in self.lake.measurements:
                    found.setdefault(each.source, set()).add(each.name)
        return found

    @property
    def name_filter(self) -> NameFilter:
        """A predicate for names that may be measurements."""
        listed = frozenset(each.name for each in self.lake.measurements if each.stream == self.stream)
        return NameFilter(listed, tuple(each.text for each in self._patterns))

    def _found(self, names: list[str]) -> dict[str, tuple[Measurement, ...]]:
        sources = {each.source for each in self._patterns}
        resolved = self.lake.resolve(dict.fromkeys(sources, names)).measurements
        own = [each for each in resolved if each.stream == self.stream]
        return {name: tuple(each for each in own if each.name == name) for name in names}

    @property
    def _patterns(self) -> list[Pattern]:
        return [
            each
            for each in self.lake.patterns
            if each.source in self.lake.sources and self.stream in (each.source, each.options.stream)
        ]


@dataclass(frozen=True, slots=True)
class NameFilter:
    """A predicate for names that may be measurements of a lake; small, since it is sent to executors.

    Attributes:
        names: The names of the stream's measurements.
        patterns: The patterns.
    """

    names: frozenset[str]
    patterns: tuple[str, ...]

    def __call__(self, name: str) -> bool:
        """Whether a name may be a measurement."""
        return name in self.names or any(NamePattern(text).matches(name) for text in self.patterns)
