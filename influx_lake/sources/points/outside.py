"""Points outside of a range of time: no window of it loads them, so that nobody would miss them."""

from __future__ import annotations

from influx_lake.config.values.windows import from_nanoseconds
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.rows import Points
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.remarks import Outside

_FIRST, _END = -(2**63), 2**63 - 1
_MOST_CELLS = 20_000_000
"""More values than these are not read only to be counted: their number is known from the index."""


def reaches_out(unit: Unit, begin: int, end: int) -> bool:
    """Whether a file has points of any measurement outside of [begin, end): its index says so."""
    return bool((unit.chunks["first"] < begin).any() or (unit.chunks["last"] >= end).any())


def outside_of(points: MeasurementPoints, begin: int, end: int) -> Outside | None:
    """The points of a measurement outside of [begin, end); None where there are none.

    Args:
        points: The points.
        begin: The first nanosecond since 1970 that is inside.
        end: The first one behind it.
    """
    first, last, rows = points.spans()
    if not len(rows) or (first.min() >= begin and last.max() < end):
        return None
    inside = ((first >= begin) & (first < end)) | ((last >= begin) & (last < end))
    everything = not inside.any() and (not points.has_values or next(points.pieces(begin, end), None) is None)
    if not points.has_values or rows[(first < begin) | (last >= end)].sum() > _MOST_CELLS:
        # Those of chunks that lie outside as a whole: a few more are in others.
        before, behind = last < begin, first >= end
        ends = first[before | behind].min(initial=int(first.min())), last[before | behind].max(initial=begin)
        figures = int(rows[before].sum()), int(rows[behind].sum())
        return Outside(*figures, "value", everything, from_nanoseconds(int(ends[0])), from_nanoseconds(int(ends[1])))
    parts = [_counted(points, _FIRST, begin), _counted(points, end, _END)]
    there = [(first, last) for count, first, last in parts if count]
    first_of_all = from_nanoseconds(min(first for first, _ in there))
    last_of_all = from_nanoseconds(max(last for _, last in there))
    return Outside(parts[0][0], parts[1][0], "point", everything, first_of_all, last_of_all)


def _counted(points: MeasurementPoints, begin: int, end: int) -> tuple[int, int, int]:
    """How many points there are, and the times of the first and the last one."""
    count, first, last = 0, _END, _FIRST
    for piece in points.pieces(begin, end):
        found = Points.of_all(piece, len(points.series))
        count += len(found)
        first, last = min(first, int(found.time[0])), max(last, int(found.time[-1]))
    return count, first, last
