"""The Iceberg format versions that can be written, and the type of time in each."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.tables.types import Nanoseconds

FORMAT_VERSION = "format-version"
NEWEST_WRITTEN = 2
"""pyiceberg 0.12 reads tables of version 3 and writes none: neither their metadata nor their manifests."""
_WITH_NANOSECONDS = 3
"""The first version with `timestamptz_ns` and `timestamp_ns`."""


def refusal(version: str) -> str | None:
    """Why a table of a version cannot be created; None where it can."""
    if version == str(NEWEST_WRITTEN):
        return None
    if version.isdecimal() and int(version) > NEWEST_WRITTEN:
        return (
            f"cannot be honoured: pyiceberg writes no tables of format version {version} yet. `nanoseconds: keep` "
            "holds times whole in a column of their own"
        )
    return f"cannot be honoured: the lake's tables have format version {NEWEST_WRITTEN}"


def time_holds_nanoseconds(nanoseconds: Nanoseconds, properties: Mapping[str, str]) -> bool:
    """Whether the time column itself has nanoseconds, rather than a second column.

    Args:
        nanoseconds: The option `nanoseconds`.
        properties: The table's properties, with its format version.
    """
    stated = int(properties.get(FORMAT_VERSION, NEWEST_WRITTEN))
    return nanoseconds is Nanoseconds.KEEP and stated >= _WITH_NANOSECONDS
