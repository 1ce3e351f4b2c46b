"""An SVG calendar of covered days: a square for each day, a row for each weekday, a block for each year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from influx_lake.printable import printable

if TYPE_CHECKING:
    from markupsafe import Markup

_STEP, _SIDE = 13, 11
_LEFT, _TOP, _BELOW = 44, 18, 14
_WEEKS = 54
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Day(StrEnum):
    """How much of a day is covered; the values are words for people."""

    HELD = "held"
    TAILED = "held so far"
    PARTLY = "partly held"
    MISSING = "not held"

    @property
    def style(self) -> str:
        """The CSS class."""
        return {"held": "held", "held so far": "tailed", "partly held": "partly"}.get(self.value, "missing")


def calendar(days: Mapping[date, Day], title: str, described: str) -> Markup:
    """Draw the calendar.

    Args:
        days: How much of each day is covered.
        title: The title.
        described: The content in words, for screen readers.
    """
    from markupsafe import Markup

    years = sorted({day.year for day in days})
    block = _TOP + 7 * _STEP + _BELOW
    parts = []
    for number, year in enumerate(years):
        top = number * block
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(top + _TOP + 4 * _STEP, year))
        for month in range(1, 13):
            x = _LEFT + _week(date(year, month, 1)) * _STEP
            parts.append(Markup('<text x="{}" y="{}">{}</text>').format(x, top + _TOP - 5, _MONTHS[month - 1]))
        day = date(year, 1, 1)
        while day.year == year:
            state = days.get(day)
            x, y = _LEFT + _week(day) * _STEP, top + _TOP + day.weekday() * _STEP
            parts.append(
                Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="2" class="{}">{}</rect>').format(
                    x,
                    y,
                    _SIDE,
                    _SIDE,
                    state.style if state else "empty",
                    Markup("<title>{} {}</title>").format(day.isoformat(), state.value) if state else "",
                )
            )
            day += timedelta(days=1)
    width, height = _LEFT + _WEEKS * _STEP, max(1, len(years)) * block
    return Markup(
        '<svg role="img" viewBox="0 0 {} {}" width="{}" height="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(width, height, width, height, printable(title), printable(described), Markup("").join(parts))


def _week(day: date) -> int:
    """The week of its year that a day is in, Monday first, counted from the week of 1 January."""
    return (day.timetuple().tm_yday - 1 + date(day.year, 1, 1).weekday()) // 7
