"""Which versions of Iceberg's table format are written, and what a later one will change: times in nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.tables.types import Nanoseconds

FORMAT_VERSION = "format-version"
NEWEST_WRITTEN = 2
"""pyiceberg 0.12 reads tables of version 3 and writes none: neither their metadata nor their manifests."""
_WITH_NANOSECONDS = 3
"""From when on there are `timestamptz_ns` and `timestamp_ns`."""


def refusal(version: str) -> str | None:
    """Why tables of a version are not made; None where they are."""
    if version == str(NEWEST_WRITTEN):
        return None
    if version.isdecimal() and int(version) > NEWEST_WRITTEN:
        return (
            f"cannot be honoured: pyiceberg writes no tables of format version {version} yet. `nanoseconds: keep` "
            "holds times whole in a column of their own"
        )
    return f"cannot be honoured: the lake's tables have format version {NEWEST_WRITTEN}"


def time_holds_nanoseconds(nanoseconds: Nanoseconds, properties: Mapping[str, str]) -> bool:
    """Whether the time of a table is kept whole in its own column, and not in one beside it.

    Args:
        nanoseconds: What happens to times finer than a microsecond.
        properties: The table's, as they are stated: its format version.
    """
    stated = int(properties.get(FORMAT_VERSION, NEWEST_WRITTEN))
    return nanoseconds is Nanoseconds.KEEP and stated >= _WITH_NANOSECONDS
