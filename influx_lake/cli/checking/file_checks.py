"""Checks the files of file sources: time range of the points, precision, skipped lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.cli.checking.check_result import Check
from influx_lake.cli.output import counted
from influx_lake.cli.session import Session
from influx_lake.config import Measurement, redact
from influx_lake.config.values.windows import EPOCH, utc_text
from influx_lake.errors import LakeError

if TYPE_CHECKING:
    from influx_lake.sources.remarks import Survey

_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def check_files(session: Session, name: str) -> Iterator[Check]:
    """Check the files of a source, if it has files."""
    from influx_lake.sources.remarks import SurveysItself

    subject = f"files of {name}"
    try:
        source = session.source(name)
        if not isinstance(source, SurveysItself):
            return
        survey = source.survey()
    except LakeError as error:
        yield Check("files", subject, False, redact(error.message), error.remedy)
        return
    yield Check("files", subject, True, _times(survey))
    for remark in survey.remarks:
        yield Check("files", subject, True, redact(remark.text), remark.remedy, warning=True)
    for measurement in session.lake.measurements:
        if measurement.source == name and measurement.name in survey.times:
            yield from _before_start(measurement, survey)
            yield from _in_the_future(measurement, survey)


def _times(survey: Survey) -> str:
    if not survey.times:
        return "hold no points"
    first = min(first for first, _ in survey.times.values())
    last = max(last for _, last in survey.times.values())
    some = (
        "" if survey.looked_at == survey.files else f" ({survey.looked_at:,} of {counted(survey.files, 'file')} read)"
    )
    return f"points from {_text(first)} to {_text(last)}{some}"


def _before_start(measurement: Measurement, survey: Survey) -> Iterator[Check]:
    """The warning where all points lie before the first window."""
    first, last = survey.times[measurement.name]
    start = measurement.scheme.start
    if last >= start:
        return
    unit = _better_unit(survey, last, start)
    yield Check(
        "measurement",
        f"measurement {measurement.name}",
        False,
        f"all points that were found lie before partition.start, {_text(start)}: from {_text(first)} to {_text(last)}",
        f"The times count in {unit}, it seems: set `{survey.unit_option}: {unit}` of the source"
        if unit
        else f"Set `partition.start` to {first:%Y-%m-%d} or before; or correct `{survey.unit_option}` of the source, "
        f"which is {survey.unit}",
    )


def _in_the_future(measurement: Measurement, survey: Survey) -> Iterator[Check]:
    """The warning where all points lie after the newest window."""
    first, last = survey.times[measurement.name]
    if first < measurement.scheme.window_at(datetime.now(UTC)).end:
        return
    yield Check(
        "measurement",
        f"measurement {measurement.name}",
        False,
        f"all points that were found lie in the future: from {_text(first)} to {_text(last)}",
        f"Look at the unit that times count in, `{survey.unit_option}: {survey.unit}` of the source",
    )


def _better_unit(survey: Survey, last: datetime, start: datetime) -> str | None:
    """A coarser precision with which the times would be plausible."""
    for unit, nanoseconds in _UNITS.items():
        factor = nanoseconds // _UNITS[survey.unit]
        # The product may exceed the range of dates.
        if factor > 1 and (last - EPOCH) < timedelta(days=400_000) / factor:
            moment = EPOCH + (last - EPOCH) * factor
            if start <= moment < datetime.now(UTC) + timedelta(days=1):
                return unit
    return None


def _text(moment: datetime) -> str:
    return utc_text(moment.replace(microsecond=0))
