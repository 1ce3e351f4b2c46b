"""Points of landed files with other times than their folders tell; windows of these times may not read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np

from influx_lake.config.values.units import counted, format_duration, format_roughly
from influx_lake.config.values.windows import Window
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.remarks import Remark, verb

OUTSIDE = "outside"
"""The fact of a unit that holds their number, if it was counted while parsing."""
_DAYS, _FAR = timedelta(days=2), timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Misplaced:
    """The points of a file outside the time range allowed for them.

    Attributes:
        file: The file.
        points: How many there are.
        before: How long before the folder's time the first point is; negative if it is not before it.
        behind: How long after that time the last point is; negative if it is not after it.
    """

    file: str
    points: int
    before: timedelta
    behind: timedelta

    @classmethod
    def of(cls, unit: Unit, time: Window, reach: Window) -> Self:
        """Find those of a file.

        Args:
            unit: Its points.
            time: The time range of its folder.
            reach: The time range allowed for its points.
        """
        first, last = int(unit.chunks["first"].min(initial=2**63 - 1)), int(unit.chunks["last"].max(initial=-(2**63)))
        before = timedelta(microseconds=time.start_us - first // 1000) if len(unit.chunks["first"]) else timedelta()
        behind = timedelta(microseconds=last // 1000 - time.end_us) if len(unit.chunks["last"]) else timedelta()
        known = unit.facts.get(OUTSIDE)
        points = points_outside(unit, reach) if known is None else int(known)
        return cls(str(unit.facts["file"]), points, before, behind)


def points_outside(unit: Unit, reach: Window) -> int:
    """How many points are outside; one that a file holds twice, far apart, may count twice."""
    begin, end = reach.start_us * 1000, reach.end_us * 1000
    points, known = 0, unit.chunks
    edge: tuple[int, int, set[tuple[int, int]]] = (-1, -1, set())
    for number in np.flatnonzero((known["first"] < begin) | (known["last"] >= end)).tolist():
        chunk = unit.chunk(number)
        time, series = chunk.column("time").to_numpy(), chunk.column("series").to_numpy()
        outside = (time < begin) | (time >= end)
        pairs = np.unique(np.stack((time[outside], series[outside].astype(np.int64)), axis=1), axis=0)
        run = int(known["measurement"][number]), int(known["run"][number])
        # A chunk may begin with points that the previous one ends with.
        before = edge[2] if edge[:2] == run else set()
        points += len(pairs) - len(before.intersection(map(tuple, pairs[pairs[:, 0] == pairs[0, 0]].tolist())))
        edge = (*run, set(map(tuple, pairs[pairs[:, 0] == pairs[-1, 0]].tolist())))
    return points


def misplaced_remark(found: Sequence[Misplaced], early: timedelta, late: timedelta) -> Remark | None:
    """The remark about such files; None if all points are where they belong."""
    odd = [each for each in found if each.points]
    if not odd:
        return None
    before, behind = max(each.before for each in odd), max(each.behind for each in odd)
    how, options = [], []
    if before > late:
        how.append(f"up to {_length(before)} before that time (late: {format_duration(late)})")
        options.append("`late`")
    if behind > early:
        how.append(f"up to {_length(behind)} after it (early: {format_duration(early)})")
        options.append("`early`")
    units = "Correct `timestamp_units` of the source where it is wrong. " if max(before, behind) > _FAR else ""
    count = sum(each.points for each in odd)
    return Remark(
        f"{counted(count, 'point')} of {counted(len(odd), 'file')} {verb(count, 'has', 'have')} other times than their "
        f"folders say, {' and '.join(how)}: "
        f"windows of their times may not read these folders; the first file is {odd[0].file}",
        f"{units}Set `timezone` of the source where its folders are in local time; else raise its "
        f"{' and '.join(options)}",
    )


def _length(length: timedelta) -> str:
    return f"{length.days:,} days" if length >= _DAYS else format_roughly(length)
