"""Dates and times that people write."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from influx_lake.config.problems import suggestion


def _read_moment(value: Any) -> Any:
    """A date or time; one without a zone stays so: it is the zone's of the partitions."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        try:
            moment = datetime.fromisoformat(str(value).strip())
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
            "pattern": r"^\d{4}-?\d{2}-?\d{2}([T ].*)?$",
            "examples": ["2026-01-01", "2026-01-01T06:00Z"],
        }
    ),
]
"""A date or time; without a zone it is one of the partitions' zone."""


def in_zone(moment: datetime, timezone: str) -> datetime:
    """The moment in UTC; where it has no zone it is one of this zone."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)


def _check_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        guess = suggestion(value, available_timezones())
        raise ValueError(f"is not a time zone{guess or ': write an IANA name, such as Europe/Berlin'}") from None
    return value


TimeZone = Annotated[str, AfterValidator(_check_timezone)]
"""The IANA name of a time zone."""
