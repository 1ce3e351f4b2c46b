"""Finds points outside a time range; no window of it loads them, and otherwise nobody would notice."""

from __future__ import annotations

from influx_lake.config.values.windows import from_nanoseconds
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.rows import Points
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.remarks import Outside

_FIRST, _END = -(2**63), 2**63 - 1
_MOST_CELLS = 20_000_000
"""More values than these are not read only to be counted; their number is taken from the index."""


def reaches_out(unit: Unit, begin: int, end: int) -> bool:
    """Whether a file has points of any measurement outside [begin, end), according to its index."""
    return bool((unit.chunks["first"] < begin).any() or (unit.chunks["last"] >= end).any())


def outside_of(points: MeasurementPoints, begin: int, end: int) -> Outside | None:
    """The points of a measurement outside [begin, end); None if there are none.

    Args:
        points: The points.
        begin: The first nanosecond since 1970 of the range.
        end: The first nanosecond after it.
    """
    first, last, rows = points.spans()
    if not len(rows) or (first.min() >= begin and last.max() < end):
        return None
    inside = ((first >= begin) & (first < end)) | ((last >= begin) & (last < end))
    everything = not inside.any() and (not points.has_values or next(points.pieces(begin, end), None) is None)
    if not points.has_values or rows[(first < begin) | (last >= end)].sum() > _MOST_CELLS:
        # Count only chunks that are outside as a whole; other chunks may hold a few more.
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
    """The number of points, and the times of the first and the last one."""
    count, first, last = 0, _END, _FIRST
    for piece in points.pieces(begin, end):
        found = Points.of_all(piece, len(points.series))
        count += len(found)
        first, last = min(first, int(found.time[0])), max(last, int(found.time[-1]))
    return count, first, last
