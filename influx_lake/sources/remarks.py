"""Remarks of a source about its data, for users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class Remark:
    """An observation that stops nothing, but may mean that points are missing or changed.

    Attributes:
        text: What was found, and where.
        remedy: What to do about it.
    """

    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Survey:
    """A summary of files.

    Attributes:
        times: The times of the first and the last point of each measurement.
        looked_at: How many files were read for this.
        files: How many files there are.
        remarks: Remarks about them.
        unit_option: The option of the unit of times.
        unit: Its value: ns, us, ms or s.
    """

    times: Mapping[str, tuple[datetime, datetime]]
    looked_at: int
    files: int
    remarks: Sequence[Remark]
    unit_option: str
    unit: str


@dataclass(frozen=True, slots=True)
class Outside:
    """Points outside a time range.

    Attributes:
        before: How many are before it.
        behind: How many are at its end or after it.
        noun: What was counted: `point`, or `value` if there are too many to distinguish points.
        everything: Whether no point is inside.
        first: The time of the first one of them.
        last: The time of the last one of them.
        unit: The option of the unit of times, with its value: `precision: ns`.
    """

    before: int
    behind: int
    noun: str
    everything: bool
    first: datetime
    last: datetime
    unit: str = ""

    def __str__(self) -> str:
        count = self.before + self.behind
        return f"{'more than ' if self.noun == 'value' else ''}{counted(count, self.noun)}"


@runtime_checkable
class FindsOutside(Protocol):
    """A source that has read more than its windows: any of its files can hold points of any time."""

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        """The points of a measurement outside a range, in the files read so far; None if there are none.

        Raises:
            SourceError: They cannot be read.
        """
        ...


@runtime_checkable
class SurveysItself(Protocol):
    """A source that can summarise its files."""

    def survey(self) -> Survey:
        """Examine its files: all if its columns are found in them, otherwise the first and the last ones.

        Raises:
            SourceError: They cannot be read.
        """
        ...


def verb(count: int, singular: str, plural: str) -> str:
    """The form of a verb for a number of things."""
    return singular if count == 1 else plural
