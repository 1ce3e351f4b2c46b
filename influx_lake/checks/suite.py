"""The registry of checks, and which of them a measurement has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, OnShrink, Severity, WriteMode

if TYPE_CHECKING:
    from influx_lake.checks.outcome import Outcome
    from influx_lake.checks.subject import Subject

VALUES = "values"

_MODULES = {
    "source_equals_lake": "source_equality",
    "no_duplicate_points": "duplicates",
    "gaps": "gaps",
    "freshness": "freshness",
    "schema_drift": "schema_drift",
    "nothing_in_quarantine": "quarantine",
    "same_definition": "definition",
    "small_files": "small_files",
    "proved": "proved",
    "outliers": "outliers",
    VALUES: "value_rules",
}
"""The module of each check, whose function has the check's name: imported on use, since definitions need only names."""


def _adds_rows(measurement: Measurement) -> bool:
    """Whether loads add rows without replacing, so that points may be doubled."""
    return measurement.write.mode is not WriteMode.REPLACE or measurement.on_shrink is OnShrink.MERGE


def _makes_rows(measurement: Measurement) -> bool:
    """Whether lake.yaml has options that shape rows; see `definition_of`."""
    transforms = measurement.transforms
    return transforms.transforms or transforms.casts_otherwise or measurement.layout is not None


def _has_source_to_ask(measurement: Measurement) -> bool:
    """Whether windows can be compared with a source; topics cannot be queried for a window."""
    return not measurement.is_streamed_only


_ON: dict[str, Callable[[Measurement], bool]] = {
    "source_equals_lake": _has_source_to_ask,
    "no_duplicate_points": _adds_rows,
    "gaps": lambda measurement: True,
    "freshness": lambda measurement: measurement.freshness is not None,
    "schema_drift": _has_source_to_ask,
    "nothing_in_quarantine": lambda measurement: measurement.has_quarantine,
    "same_definition": _makes_rows,
    "small_files": lambda measurement: True,
    "proved": lambda measurement: measurement.proof is not None or measurement.offload is not None,
    "outliers": lambda measurement: False,
}
"""The checks that are on by default, and their conditions."""

MEANINGS = {
    "source_equals_lake": "The source has as many rows for the window as the lake.",
    "no_duplicate_points": "No two rows of the window have the same series and time.",
    "gaps": "No window is missing, and no series was silent for longer than `checks.gaps` allows.",
    "freshness": "The newest due window is loaded, and its events are recent.",
    "schema_drift": "The table's columns are those of the source.",
    "nothing_in_quarantine": "The quarantine, which holds values that do not fit their column, is empty.",
    "same_definition": "Every window was loaded under the present `computed`, `map`, `where` and others.",
    "small_files": "No more small files of the table wait to be compacted than `checks.small_files` allows.",
    "proved": "Every closed window is proved equal to its source, value by value.",
    "outliers": "The window has about as many rows as those before it.",
    VALUES: "The window's rows keep the rules of `checks.values`.",
}


def checks_of(measurement: Measurement) -> list[str]:
    """The names of a measurement's checks."""
    settings = measurement.checks.settings()
    names = [name for name, setting in settings if setting.is_on(by_default=_ON[name](measurement))]
    return [*names, VALUES] if measurement.checks.values else names


def has_check(measurement: Measurement, name: str) -> bool:
    """Whether a measurement has a check; quicker than searching `checks_of`."""
    return bool(getattr(measurement.checks, name).is_on(by_default=_ON[name](measurement)))


def is_blocking(measurement: Measurement, name: str) -> bool:
    """Whether a failure of the check blocks downstream assets."""
    return name != VALUES and bool(getattr(measurement.checks, name).blocking)


def evaluate(subject: Subject, names: Iterable[str]) -> Iterator[tuple[str, Outcome, Severity]]:
    """Run checks, one after the other.

    Yields:
        The name of the check, its outcome and severity.

    Raises:
        LakeError: A check could not run.
    """
    for name in names:
        outcome = getattr(import_module(f"influx_lake.checks.{_MODULES[name]}"), name)(subject)
        yield name, outcome, outcome.severity or _severity(subject.measurement, name)


def _severity(measurement: Measurement, name: str) -> Severity:
    return Severity.ERROR if name == VALUES else getattr(measurement.checks, name).counts_as
