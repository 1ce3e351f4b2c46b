"""Windows as bins by which one query groups rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class Bins:
    """Adjacent windows of equal length, into which rows are grouped by arithmetic.

    Attributes:
        start_us: The start of the first, in microseconds since 1970.
        end_us: The end of the last.
        width_us: The length of each.
    """

    start_us: int
    end_us: int
    width_us: int


def bins_of(windows: Sequence[Window]) -> Iterator[Bins]:
    """Group windows, oldest first, into as few stretches of equal length as possible.

    Days of a time zone are three stretches in a month with a change of clocks; months are one each.
    """
    stretch: Bins | None = None
    for window in windows:
        width = window.end_us - window.start_us
        if stretch and (stretch.end_us, stretch.width_us) == (window.start_us, width):
            stretch = Bins(stretch.start_us, window.end_us, width)
            continue
        if stretch:
            if window.start_us < stretch.end_us:
                raise ValueError(f"windows have to be sorted and must not overlap: {window}")
            yield stretch
        stretch = Bins(window.start_us, window.end_us, width)
    if stretch:
        yield stretch
