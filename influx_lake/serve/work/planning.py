"""Resolves a request for loads to measurements and windows, and validates it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import parse_moment
from influx_lake.errors import ConfigurationError
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.serve.problems import Problem
from influx_lake.session import Session, check_range

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window

EVERYTHING = "*"
"""The name that means every measurement of the lake."""


def chosen(session: Session, names: Iterable[str]) -> list[Measurement]:
    """The measurements that a request names, each once.

    Raises:
        ConfigurationError: One is not in the lake, or the lake has none.
    """
    names = list(names)
    return session.measurements(None if EVERYTHING in names else names)


def moment(body: Mapping[str, Any], name: str) -> datetime | None:
    """Parse a time of a validated body."""
    return parse_moment(body[name]) if body.get(name) else None


def depth_of(body: Mapping[str, Any]) -> Depth:
    """The depth of comparison that a request asks for."""
    return Depth(body.get("compare") or Depth.ROWS)


def planned(session: Session, body: Mapping[str, Any]) -> list[tuple[Measurement, list[Window]]]:
    """The windows of a request, by measurement, oldest first.

    Raises:
        LakeError: Catalog or source cannot be read.
    """
    start, end, only = moment(body, "start"), moment(body, "end"), body.get("only")
    measurements = chosen(session, body["measurements"])
    if only == "differing":
        found = [(each, _differing(session, each, start, end, depth_of(body))) for each in measurements]
        return [(of_request(each, body), windows) for each, windows in found]
    only_missing = only == "missing" or (only is None and start is None and end is None)
    plans = session.plan([each.full_name for each in measurements], start, end, None, only_missing=only_missing)
    return [(of_request(each, body), windows) for each, windows in plans]


def of_request(measurement: Measurement, body: Mapping[str, Any]) -> Measurement:
    """A measurement with the options that a request overrides."""
    return measurement.replacing_all() if body.get("replace") else measurement


def _differing(
    session: Session, measurement: Measurement, start: datetime | None, end: datetime | None, depth: Depth
) -> list[Window]:
    from influx_lake.replication.comparison.verify import closed_windows

    windows = closed_windows(measurement, datetime.now(UTC), start, end)
    found = session.verify(measurement, windows, depth)
    return sorted({each.window for each in found.differing})


def check_request(lake: Lake, body: Mapping[str, Any]) -> None:
    """Validate a request as far as no server has to be asked.

    Raises:
        Problem: A measurement is not in the lake, or the times do not fit together.
    """
    start, end = moment(body, "start"), moment(body, "end")
    if start is not None and end is not None and start >= end:
        message = f"the range is empty: it starts at {body['start']} and ends at {body['end']}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    if body.get("replace") and (start is None or end is None or body.get("only") == "missing"):
        message = "replace needs start and end, and is not for `only: missing`"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    # A comparison has no `only`.
    if body.get("only", "differing") != "differing" and depth_of(body) is not Depth.ROWS:
        message = "compare tells what differs, and is for `only: differing`"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    try:
        measurements = chosen(Session(lake), body["measurements"])
        check_range(measurements, start, end, lambda remark: None)
    except ConfigurationError as error:
        missing = "has no measurement" in error.message
        status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.UNPROCESSABLE_ENTITY
        raise Problem(status, str(error), error=type(error).__name__) from None
    _check_count(lake, measurements, start, end)


def _check_count(lake: Lake, measurements: Iterable[Measurement], start: datetime | None, end: datetime | None) -> None:
    now, found, most = datetime.now(UTC), 0, lake.serve.limits.windows
    for each in measurements:
        begin, until = max(start or each.scheme.start, each.kept_since(now)), end or now
        found += len(list(islice(each.scheme.windows(begin, until), most + 1)))
        if found > most:
            message = (
                f"these are more windows than a request may have: {most:,} (`serve.limits.windows`). Ask for less "
                "time, or for fewer measurements at once"
            )
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message)
