"""When the oldest points of measurements are, for `partition.start: first_point`: a file next to the lake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from influx_lake.config.sources.state_file import read_state, write_state
from influx_lake.config.values.windows import parse_moment, utc_text
from influx_lake.errors import ConfigurationError

FIRST_POINTS = Path(".lake") / "first-points.json"

FirstPoints = Mapping[tuple[str, str], datetime]
"""The times of the oldest points, by source and measurement."""


def read_first_points(root: Path) -> dict[tuple[str, str], datetime]:
    """What is known; nothing where no source was asked yet.

    Args:
        root: The lake's folder.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    known = read_state(root / FIRST_POINTS)
    try:
        return {(source, name): parse_moment(text) for source, names in known.items() for name, text in names.items()}
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            f"{root / FIRST_POINTS} does not hold the times of first points",
            remedy="Delete it and let `influx-lake discover` write it again",
        ) from None


def write_first_points(root: Path, found: FirstPoints) -> Path | None:
    """Keep the times of first points.

    One that is known is only ever replaced by an earlier one: where a server has deleted its oldest points, their
    windows are in the table still.

    Args:
        root: The lake's folder.
        found: What sources said.

    Returns:
        The file; None where there was nothing new to be written.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    known = read_first_points(root)
    news = {place: first for place, first in found.items() if place not in known or first < known[place]}
    if not news:
        return None
    written: dict[str, dict[str, str]] = {}
    for (source, name), first in {**known, **news}.items():
        written.setdefault(source, {})[name] = utc_text(first)
    return write_state(root / FIRST_POINTS, written)
