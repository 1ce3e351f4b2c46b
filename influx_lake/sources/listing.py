"""Which measurements a database has, beside what its server lists and is none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from influx_lake.config.values.units import counted
from influx_lake.sources.protocol import Source

_DROPPED = re.compile(r".+-(?P<at>[0-9]{8}T[0-9]{6})", re.DOTALL)
_TOLD = 10


@dataclass(frozen=True, slots=True)
class Listing:
    """The tables of a database.

    Attributes:
        measurements: The names of its measurements, sorted.
        dropped: The names of the tables that were dropped and are listed still, sorted. They can be read.
    """

    measurements: tuple[str, ...]
    dropped: tuple[str, ...] = ()

    @classmethod
    def of_influxdb3(cls, names: Iterable[str]) -> Listing:
        """Set the tables aside that were dropped.

        InfluxDB 3 Core (3.6) renames a table that is dropped to `NAME-YYYYMMDDTHHMMSS`, and lists it and answers for it
        until it is deleted for good, a day or more later. Nothing else tells it from a measurement.
        """
        found = sorted(names)
        dropped = [name for name in found if is_dropped(name)]
        return cls(tuple(name for name in found if name not in set(dropped)), tuple(dropped))

    def wanted(self, named: Collection[str]) -> tuple[str, ...]:
        """The measurements, with those of the dropped tables that somebody names."""
        return tuple(sorted((*self.measurements, *self.unnamed_apart(named)[0])))

    def left_out(self, named: Collection[str] = ()) -> str:
        """Which dropped tables nobody names, in words; an empty text where there are none."""
        unnamed = self.unnamed_apart(named)[1]
        if not unnamed:
            return ""
        more = f" and {len(unnamed) - _TOLD:,} more" if len(unnamed) > _TOLD else ""
        return f"{counted(len(unnamed), 'dropped table')} left out: {', '.join(unnamed[:_TOLD])}{more}"

    def unnamed_apart(self, named: Collection[str]) -> tuple[list[str], list[str]]:
        """The dropped tables that somebody names, and the others."""
        return [name for name in self.dropped if name in named], [name for name in self.dropped if name not in named]


@runtime_checkable
class ListsTables(Protocol):
    """A source whose server lists more than measurements."""

    def listing(self) -> Listing: ...


def listing_of(source: Source) -> Listing:
    """What a source's database has.

    Raises:
        SourceError: The source cannot tell.
    """
    return source.listing() if isinstance(source, ListsTables) else Listing(tuple(source.measurements()))


def is_dropped(name: str) -> bool:
    """Whether InfluxDB 3 Core gives a table this name when it is dropped."""
    found = _DROPPED.fullmatch(name)
    if found is None:
        return False
    try:
        datetime.fromisoformat(found["at"])
    except ValueError:
        return False
    return True
