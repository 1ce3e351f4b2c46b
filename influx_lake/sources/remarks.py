"""What a source knows of what it holds, besides its rows: for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that stops nothing, and may mean that points are missing, or are not what they were.

    Attributes:
        text: What was met, and where.
        remedy: What to do about it.
    """

    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in files.

    Attributes:
        times: The times of the first and the last point of each measurement.
        looked_at: How many files were read for that.
        files: How many there are.
        remarks: What was noticed.
        unit_option: The option that says what times count in.
        unit: What it says: ns, us, ms or s.
    """

    times: Mapping[str, tuple[datetime, datetime]]
    looked_at: int
    files: int
    remarks: Sequence[Remark]
    unit_option: str
    unit: str


@dataclass(frozen=True, slots=True)
class Outside:
    """Points that lie outside of a range of time.

    Attributes:
        before: How many lie before it.
        behind: How many lie at its end or after it.
        noun: What was counted: `point`, or `value` where the points are too many to be told apart for this.
        everything: Whether no point lies inside.
        first: The time of the first one of them.
        last: The time of the last one of them.
        unit: The option that says what times count in, with what it says: `precision: ns`.
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
    """A source that has read more than its windows: files, any of which can hold points of any time."""

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        """The points of a measurement outside of a range, in the files that were read so far; None: there are none.

        Raises:
            SourceError: They cannot be read.
        """
        ...


@runtime_checkable
class SurveysItself(Protocol):
    """A source that can say what its files hold."""

    def survey(self) -> Survey:
        """Look at its files: at all where its columns are found in all of them, else at the first and the last.

        Raises:
            SourceError: They cannot be read.
        """
        ...


def verb(count: int, singular: str, plural: str) -> str:
    """The form of a verb that goes with a number of things."""
    return singular if count == 1 else plural
