"""The earliest first point for which `partition.start: first_point` is accepted."""

from __future__ import annotations

from datetime import UTC, datetime

from influx_lake.config.values.windows import LONGEST, Every, utc_text

MOST_PARTITIONS = {Every.HOUR: 100_000, Every.DAY: 7_500}
"""The most partitions: eleven years of hours, or twenty of days. An earlier point is more likely a wrong clock's, and
as many partitions as since 1970 slow Dagster down.
"""


def too_early(every: Every, first: datetime) -> str | None:
    """Why a measurement's first point is too early to start partitions there; None where it is not.

    Args:
        every: The length of a partition.
        first: The time of the point.
    """
    partitions, most = (datetime.now(UTC) - first) // LONGEST[every] + 1, MOST_PARTITIONS.get(every)
    if most is None or partitions <= most:
        return None
    return (
        f"the oldest point is of {utc_text(first)}, and a partition for each {every} since then makes {partitions:,}, "
        f"more than {most:,}"
    )
