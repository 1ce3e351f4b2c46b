"""The measurements of a database, without other tables that its server lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from influx_lake.config.values.units import counted
from influx_lake.sources.protocol import Source

_DROPPED = re.compile(r".+-(?P<at>[0-9]{8}T[0-9]{6})", re.DOTALL)
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Listing:
    """The tables of a database.

    Attributes:
        measurements: The names of its measurements, sorted.
        dropped: The names of dropped tables that are still listed, sorted. They can be read.
    """

    measurements: tuple[str, ...]
    dropped: tuple[str, ...] = ()

    @classmethod
    def of_influxdb3(cls, names: Iterable[str]) -> Listing:
        """Separate dropped tables from measurements.

        InfluxDB 3 Core (3.6) renames a dropped table to `NAME-YYYYMMDDTHHMMSS`, and lists and serves it until it is
        finally deleted, a day or more later. Nothing but the name distinguishes it from a measurement.
        """
        found = sorted(names)
        dropped = [name for name in found if is_dropped(name)]
        return cls(tuple(name for name in found if name not in set(dropped)), tuple(dropped))

    def wanted(self, named: Collection[str]) -> tuple[str, ...]:
        """The measurements, and those dropped tables that are named explicitly."""
        return tuple(sorted((*self.measurements, *self.unnamed_apart(named)[0])))

    def left_out(self, named: Collection[str] = ()) -> str:
        """A message about the dropped tables that are not named; empty if there are none."""
        unnamed = self.unnamed_apart(named)[1]
        if not unnamed:
            return ""
        more = f" and {len(unnamed) - _SHOWN:,} more" if len(unnamed) > _SHOWN else ""
        return f"{counted(len(unnamed), 'dropped table')} left out: {', '.join(unnamed[:_SHOWN])}{more}"

    def unnamed_apart(self, named: Collection[str]) -> tuple[list[str], list[str]]:
        """The dropped tables that are named explicitly, and the others."""
        return [name for name in self.dropped if name in named], [name for name in self.dropped if name not in named]


@runtime_checkable
class ListsTables(Protocol):
    """A source whose server lists more than measurements."""

    def listing(self) -> Listing: ...


def listing_of(source: Source) -> Listing:
    """The tables of a source's database.

    Raises:
        SourceError: The source cannot tell.
    """
    return source.listing() if isinstance(source, ListsTables) else Listing(tuple(source.measurements()))


def is_dropped(name: str) -> bool:
    """Whether a table's name is one that InfluxDB 3 Core gives to dropped tables."""
    found = _DROPPED.fullmatch(name)
    if found is None:
        return False
    try:
        datetime.fromisoformat(found["at"])
    except ValueError:
        return False
    return True
