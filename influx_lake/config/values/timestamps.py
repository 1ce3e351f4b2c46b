"""Parses dates and times of options."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from influx_lake.config.report.diagnostics import suggestion

# ISO 8601 has weeks, days of the year and much else that is more often a slip of the pen.
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
MOMENT_PATTERN = rf"^\s*[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK}\s*(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?\s*$"
_MOMENT = re.compile(MOMENT_PATTERN)


def _read_moment(value: Any) -> Any:
    """Parse a date or time; without a zone it is in the partitions' time zone."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        text = value.strip() if isinstance(value, str) else ""
        try:
            moment = datetime.fromisoformat(text if _MOMENT.match(text) else "")
        except ValueError:
            raise ValueError("is not a date or time: write 2026-01-31, or 2026-01-31T06:00:00Z") from None
    # The first and last years leave no room for zones; InfluxDB's own times end in between.
    if not 1678 <= moment.year <= 2261:
        raise ValueError("is outside the time that InfluxDB can hold, 1678 to 2261")
    return moment


Moment = Annotated[
    datetime,
    BeforeValidator(_read_moment),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": MOMENT_PATTERN,
            "examples": ["2026-01-01", "2026-01-01T06:00Z"],
        }
    ),
]
"""A date or time; without a zone it is in the partitions' time zone."""


FIRST_POINT: Literal["first_point"] = "first_point"
"""The word for the time of the source's oldest point."""


def _read_start(value: Any) -> Any:
    if value == FIRST_POINT:
        return value
    try:
        return _read_moment(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {FIRST_POINT}" if "write" in str(error) else str(error)) from None


Start = Annotated[
    datetime | Literal["first_point"],
    BeforeValidator(_read_start),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"{MOMENT_PATTERN}|^{FIRST_POINT}$",
            "examples": ["2026-01-01", "2026-01-01T06:00Z", FIRST_POINT],
        }
    ),
]
"""A date or time, or `first_point`."""


def in_zone(moment: datetime, timezone: str) -> datetime:
    """A time in UTC; a given zone applies where it has none."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        guess = suggestion(value, _timezones())
        raise ValueError(f"is not a time zone{guess or ': write an IANA name, such as Europe/Berlin'}") from None
    return value


TimeZone = Annotated[str, AfterValidator(_check_timezone)]
"""The IANA name of a time zone."""
