"""Discovers the measurements of sources and their oldest points, and stores them beside the lake, which contacts no
source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from influx_lake.config import Discovered, Lake, load_lake, read_discovered
from influx_lake.config.lake.lake import Resolved
from influx_lake.config.sources.discovery import replace_discovered
from influx_lake.errors import MeasurementNotFound
from influx_lake.replication.streams.ledger import streams_of
from influx_lake.sources import open_source
from influx_lake.sources.databases import databases_of
from influx_lake.sources.listing import Listing, listing_of
from influx_lake.sources.protocol import Source


@dataclass(frozen=True, slots=True)
class Survey:
    """The measurements that the sources of a lake have now.

    Attributes:
        lake: The lake, with the first points of its measurements.
        listed: The listing of each source.
        found: The measurements of each source, without those that are left out because of a table's owner.
        resolved: The lake's measurements, and which are left out.
    """

    lake: Lake
    listed: Mapping[str, Listing]
    found: Mapping[str, tuple[str, ...]]
    resolved: Resolved

    def added_to(self, known: Discovered) -> Discovered:
        """The discovery results, updated."""
        groups = [group.name for group in self.lake.groups]
        return known.updated(self.found, first_points=self.lake.first_points, groups=groups)


def survey_sources(lake: Lake, source: Callable[[str], Source]) -> Survey:
    """Ask the sources of a lake for their measurements and first points.

    Args:
        lake: The lake.
        source: Returns the source of a name.

    Raises:
        SourceError: A source cannot be read.
    """
    sources = list(dict.fromkeys(pattern.source for pattern in lake.patterns)) or list(lake.sources)
    groups = {group.name for group in lake.groups}
    # Streams discover the measurements of topics as their messages arrive.
    streams = streams_of(lake)
    alone = [name for name in sources if name not in groups and name not in streams and "/" not in name]
    listed = {name: listing_of(source(name)) for name in alone} | _in_databases(lake)
    wanted = {name: listing.wanted(lake.named(name)) for name, listing in listed.items()}
    lake = with_first_points(lake, wanted, source, again=True)
    resolved = lake.resolve(wanted)
    return Survey(lake, listed, resolved.kept(wanted), resolved)


def discover_measurements(lake: Lake, source: Callable[[str], Source]) -> tuple[Survey, Path]:
    """Ask the sources of a lake, and store the results beside it; returns them, with the resulting lake, and the file.

    Raises:
        SourceError: A source cannot be read.
        ConfigurationError: The results cannot be stored.
    """
    survey = survey_sources(lake, source)
    state = replace_discovered(lake.root, survey.added_to(read_discovered(lake.root)))
    return replace(survey, lake=load_lake(lake.path)), state


def with_first_points(
    lake: Lake, found: Mapping[str, Iterable[str]], source: Callable[[str], Source], *, again: bool = False
) -> Lake:
    """The lake, with the first points of measurements that begin at `first_point`.

    Args:
        lake: The lake.
        found: The measurements that sources have now.
        source: Returns the source of a name.
        again: Whether to ask for known ones too: older points may have been written.

    Raises:
        SourceError: A source cannot be read.
    """
    news: dict[tuple[str, str], datetime] = {}
    early: dict[tuple[str, str], str] = {}
    for origin, names in found.items():
        for name, origins in lake.of_first_points(origin, names).items():
            known = lake.first_points.get((origin, name))
            if known is None or again:
                times = [known, *(_first_time(source(each), name) for each in origins)]
                first = min((time for time in times if time is not None), default=None)
                if first and first != known and (reason := lake.refused_first_point(origin, name, first)):
                    early[origin, name] = reason
                elif first:
                    news[origin, name] = first
    return replace(lake, first_points={**lake.first_points, **news}, too_early={**lake.too_early, **early})


def _first_time(source: Source, measurement: str) -> datetime | None:
    try:
        return source.first_time(measurement)
    except MeasurementNotFound:
        return None


def _in_databases(lake: Lake) -> dict[str, Listing]:
    """The listings of the databases of every group, by source."""
    found = {}
    for group in lake.groups:
        for name, config in group.sources(group.wanted(databases_of(group.server))).items():
            with closing(open_source(config)) as source:
                found[name] = listing_of(source)
    return found
