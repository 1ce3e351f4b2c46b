"""Guards that refuse a restore into a measurement which the lake is loaded from, where it has points."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence

from influx_lake.config import Lake, Measurement
from influx_lake.config.connections import AutoConfig, ServerConfig
from influx_lake.config.connections.base import SourceConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import GuardError, MeasurementNotFound
from influx_lake.sources.protocol import Source
from influx_lake.sources.window_counts import counts_of


class SourceNotEmpty(GuardError):
    """The restore would write among the points that the lake is loaded from."""


def loaded_from(lake: Lake, config: SourceConfig, name: str) -> list[Measurement]:
    """The measurements of the lake that are loaded from a given measurement of a server.

    Args:
        lake: The lake.
        config: The server, and the database.
        name: The measurement's name on the server.
    """
    return [
        each
        for each in lake.measurements
        if each.name == name and any(is_same_database(lake.source(source), config) for source in each.sources)
    ]


def is_same_database(one: SourceConfig, other: SourceConfig) -> bool:
    """Whether two sources are the same database of the same server, also under different host names."""
    if one == other:
        return True
    if not isinstance(one, ServerConfig) or not isinstance(other, ServerConfig):
        return False
    if one.database != other.database or one.address.port != other.address.port:
        return False
    if isinstance(one, AutoConfig) or isinstance(other, AutoConfig) or type(one) is type(other):
        return bool(_addresses(one.address.host) & _addresses(other.address.host))
    return False


def check_source_is_empty(
    lake: Lake, config: SourceConfig, source: Source, name: str, windows: Sequence[Window]
) -> None:
    """Check that windows are empty in a measurement that the lake is loaded from.

    Args:
        lake: The lake.
        config: The target.
        source: A source that counts points of the target.
        name: The measurement's name in the target.
        windows: The windows about to be written.

    Raises:
        SourceNotEmpty: They have points.
        SourceError: The target cannot be counted.
    """
    loaded = loaded_from(lake, config, name)
    if not loaded:
        return
    try:
        counts = counts_of(source, name, list(windows))
    except MeasurementNotFound:
        return
    filled = [(window, count) for window, count in zip(windows, counts, strict=True) if count]
    if not filled:
        return
    window, count = filled[0]
    raise SourceNotEmpty(
        f"the lake is loaded from this very measurement, and {len(filled):,} of {len(windows):,} windows hold points "
        f"there, {window} the first with {count:,}: {consequence(loaded)}",
        remedy="Restore under another name (--as NAME) or into another database; or write --into-source if that is "
        "what is wanted",
        measurement=name,
    )


def consequence(loaded: Iterable[Measurement]) -> str:
    """What restored points in such a measurement mean for later loads, in words."""
    names = ", ".join(f"{each.key} ({each.write.mode})" for each in loaded)
    return (
        "points that are restored there take the place of those with the same time and tags, field by field, and the "
        f"next load or reconciliation of {names} takes what is then there"
    )


def _addresses(host: str) -> set[str]:
    """The IP addresses and the name of a host."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        found = set()
    loopback = {"loopback"} if found & {"127.0.0.1", "::1"} else set()
    return {host.lower(), *found, *loopback}
