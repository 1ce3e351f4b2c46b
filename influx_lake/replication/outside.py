"""Points of a source outside of a measurement's partitions: no load or comparison reads them."""

from __future__ import annotations

import logging
from datetime import datetime
from weakref import WeakKeyDictionary

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.sources.protocol import Source
from influx_lake.sources.remarks import FindsOutside, Outside, Remark

log = logging.getLogger("influx_lake.replication")

_reported: WeakKeyDictionary[Source, set[tuple[str, ...]]] = WeakKeyDictionary()


def outside_partitions(source: Source, measurement: Measurement, now: datetime) -> Outside | None:
    """The points before `partition.start` and in the future, as far as the source has read them.

    Args:
        source: The source.
        measurement: The measurement.
        now: The present.

    Raises:
        SourceError: The source cannot be read.
    """
    if not isinstance(source, FindsOutside):
        return None
    begin, end = measurement.scheme.start, measurement.scheme.window_at(now).end
    return source.outside(measurement.name, Window(begin, end)) if begin < end else None


def tell_outside(source: Source, measurement: Measurement, now: datetime) -> None:
    """Log a warning about them, once for each source and measurement.

    Raises:
        SourceError: The source cannot be read.
    """
    if not isinstance(source, FindsOutside):
        return
    reported = _reported.setdefault(source, set())
    if measurement.path not in reported:
        reported.add(measurement.path)
        if (found := outside_partitions(source, measurement, now)) is not None:
            log.warning("%s", outside_remark(found, measurement))


def outside_remark(found: Outside, measurement: Measurement) -> Remark:
    """The remark about them; where all points are outside, the unit of times is the first suspect."""
    start = utc_text(measurement.scheme.start)
    where = [f"before partition.start, {start}"] if found.before else []
    where += ["in the future"] if found.behind else []
    if len(where) > 1:
        where = [f"{found.before:,} {where[0]}", f"{found.behind:,} {where[1]}"]
    what = f"all points that were read ({found})" if found.everything else str(found)
    text = (
        f"{measurement.name}: {what} lie outside of the partitions, {' and '.join(where)}: from "
        f"{utc_text(found.first)} to {utc_text(found.last)}. No window loads them"
    )
    earlier = "set an earlier `partition.start` to load them" if found.before else "wait until their windows close"
    if found.everything:
        return Remark(text, f"Check the unit of times, `{found.unit}` of the source; else {earlier}")
    return Remark(text, f"{earlier[0].upper()}{earlier[1:]}, if they are wanted")
