"""Windows as something that rows can be grouped by in one query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class Bins:
    """Windows of equal length, one after the other: rows are put into them by arithmetic.

    Attributes:
        start_us: Where the first begins, in microseconds since 1970.
        end_us: Where the last ends.
        width_us: How long each is.
    """

    start_us: int
    end_us: int
    width_us: int


def bins_of(windows: Sequence[Window]) -> Iterator[Bins]:
    """Windows, oldest first, in as few stretches of equal ones as there are.

    Days of a time zone are three stretches in a month with a change of clocks, and months one each.
    """
    stretch: Bins | None = None
    for window in windows:
        width = window.end_us - window.start_us
        if stretch and (stretch.end_us, stretch.width_us) == (window.start_us, width):
            stretch = Bins(stretch.start_us, window.end_us, width)
            continue
        if stretch:
            if window.start_us < stretch.end_us:
                raise ValueError(f"windows have to be sorted and apart: {window}")
            yield stretch
        stretch = Bins(window.start_us, window.end_us, width)
    if stretch:
        yield stretch
