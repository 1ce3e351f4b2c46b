"""What a source knows of what it holds, besides its rows: for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


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


@runtime_checkable
class SurveysItself(Protocol):
    """A source that can say what its files hold."""

    def survey(self) -> Survey:
        """Look at its files: at all where its columns are found in all of them, else at the first and the last.

        Raises:
            SourceError: They cannot be read.
        """
        ...


def counted(count: int, noun: str) -> str:
    """`1 file`, `2,000 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
