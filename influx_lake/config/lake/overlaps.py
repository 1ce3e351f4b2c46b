"""Detects a warehouse among the files of a source: tables would be read as data, or files overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from influx_lake.config.connections import LandingZoneConfig, LineProtocolConfig, SourceConfig
from influx_lake.config.connections.point_files import is_hidden, read_folders
from influx_lake.config.values.locations import scheme_of

_SAME_STORE = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


def overlaps(warehouse: str, sources: Mapping[str, SourceConfig]) -> Iterator[tuple[str, str]]:
    """The sources whose files overlap the warehouse, each with the mistake.

    Args:
        warehouse: The warehouse's absolute location.
        sources: The sources, by their names.
    """
    if not warehouse.startswith("/") and scheme_of(warehouse) is None:
        # One that a catalog knows by name.
        return
    place = _normal(warehouse)
    for name, config in sources.items():
        for base, below in _read(config):
            if mistake := _mistake(place, _normal(base), below=below):
                yield name, f"{mistake} {base}, where the source {name} reads its files: name a folder apart from them"
                break


def _read(config: SourceConfig) -> Iterator[tuple[str, bool]]:
    if isinstance(config, LandingZoneConfig):
        yield from read_folders(config.path, deep=True)
    elif isinstance(config, LineProtocolConfig):
        yield from read_folders(*config.path, deep=False)


def _mistake(warehouse: PurePosixPath, read: PurePosixPath, *, below: bool) -> str | None:
    """How a warehouse and a source's files overlap; None where they do not."""
    if warehouse == read:
        return "is"
    if below and warehouse.is_relative_to(read) and not is_hidden(warehouse.relative_to(read)):
        return "is inside of"
    return "contains" if read.is_relative_to(warehouse) else None


def _normal(location: str) -> PurePosixPath:
    """A location in canonical form; locations in one store have a common prefix."""
    scheme = scheme_of(location)
    if scheme in (None, "file"):
        path = location.partition(":")[2] if scheme else location
        return PurePosixPath(os.path.realpath("/" + path.lstrip("/") if scheme else path))
    rest = location.partition("://")[2]
    return PurePosixPath(f"{_SAME_STORE.get(scheme or '', scheme)}:", *(part for part in rest.split("/") if part))
