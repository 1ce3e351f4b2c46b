"""Summarises files of points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from influx_lake.config.values.windows import from_nanoseconds
from influx_lake.sources.points.registry import MeasurementKey
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.remarks import Remark, Survey


@dataclass(frozen=True, slots=True)
class FileSurvey:
    """Files that were examined.

    Attributes:
        units: Their points.
        files: How many files there are.
        remarks: Remarks about them.
        unit_option: The option of the unit of times.
        unit: Its value: ns, us, ms or s.
    """

    units: Sequence[Unit]
    files: int
    remarks: Sequence[Remark]
    unit_option: str
    unit: str

    def survey(self, wants: Callable[[MeasurementKey], bool]) -> Survey:
        """Summarise the wanted measurements."""
        times: dict[str, tuple[int, int]] = {}
        for unit in self.units:
            for number, key in enumerate(unit.measurements):
                mine = unit.chunks["measurement"] == number
                if wants(key) and mine.any():
                    first, last = int(unit.chunks["first"][mine].min()), int(unit.chunks["last"][mine].max())
                    known = times.get(key.name, (first, last))
                    times[key.name] = min(first, known[0]), max(last, known[1])
        ends = {name: (from_nanoseconds(first), from_nanoseconds(last)) for name, (first, last) in times.items()}
        return Survey(ends, len(self.units), self.files, self.remarks, self.unit_option, self.unit)
