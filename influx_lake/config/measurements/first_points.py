"""How early the first point of a measurement may be, where its partitions are to begin there."""

from __future__ import annotations

from datetime import UTC, datetime

from influx_lake.config.values.windows import LONGEST, Every, utc_text

MOST_PARTITIONS = {Every.HOUR: 100_000, Every.DAY: 7_500}
"""Eleven years of hours, twenty of days. An earlier point is rather that of a clock that was not set, and as many
partitions as from 1970 on make Dagster slow."""


def too_early(every: Every, first: datetime) -> str | None:
    """Why partitions do not begin at the oldest point of a measurement by themselves; None where they do.

    Args:
        every: How long a partition is.
        first: The time of the point.
    """
    partitions, most = (datetime.now(UTC) - first) // LONGEST[every] + 1, MOST_PARTITIONS.get(every)
    if most is None or partitions <= most:
        return None
    return (
        f"the oldest point is of {utc_text(first)}, and a partition for each {every} since then makes {partitions:,}, "
        f"more than {most:,}"
    )
