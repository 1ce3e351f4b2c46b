"""Points of a source that lie in none of a measurement's partitions: no load, and no comparison, meets them."""

from __future__ import annotations

import logging
from datetime import datetime
from weakref import WeakKeyDictionary

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.sources.protocol import Source
from influx_lake.sources.remarks import FindsOutside, Outside, Remark

log = logging.getLogger("influx_lake.replication")

_told: WeakKeyDictionary[Source, set[tuple[str, ...]]] = WeakKeyDictionary()


def outside_partitions(source: Source, measurement: Measurement, now: datetime) -> Outside | None:
    """The points before `partition.start`, and those in the future, as far as the source has read them.

    Args:
        source: The source.
        measurement: The measurement.
        now: The present.

    Raises:
        SourceError: They cannot be read.
    """
    if not isinstance(source, FindsOutside):
        return None
    begin, end = measurement.scheme.start, measurement.scheme.window_at(now).end
    return source.outside(measurement.name, Window(begin, end)) if begin < end else None


def tell_outside(source: Source, measurement: Measurement, now: datetime) -> None:
    """Tell of them in the log, once of each source and measurement.

    Raises:
        SourceError: They cannot be read.
    """
    if not isinstance(source, FindsOutside):
        return
    told = _told.setdefault(source, set())
    if measurement.path not in told:
        told.add(measurement.path)
        if (found := outside_partitions(source, measurement, now)) is not None:
            log.warning("%s", outside_remark(found, measurement))


def outside_remark(found: Outside, measurement: Measurement) -> Remark:
    """What is to be said of them; where they are all that there is, the unit of times is the first thing to look at."""
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
        return Remark(text, f"Look at the unit that times count in, `{found.unit}` of the source; else {earlier}")
    return Remark(text, f"{earlier[0].upper()}{earlier[1:]}, if they are wanted")
