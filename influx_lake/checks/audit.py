"""The audit of a window before it is published: runs blocking checks for `write: {publish: after_checks}`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.checks.subject import Subject
from influx_lake.checks.suite import VALUES, checks_of, evaluate, is_blocking
from influx_lake.config import Measurement, Severity
from influx_lake.config.values.windows import Window

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.sources import Source


def audit(measurement: Measurement, catalog: Catalog, source: Source, window: Window) -> list[str]:
    """The failures of a window's audit; see `influx_lake.replication.window.Auditor`.

    Runs the `blocking` checks and the rules for values. Warnings let a window pass.

    Raises:
        LakeError: A check could not run.
    """
    subject = Subject(measurement, catalog, lambda: source, datetime.now(UTC), [window])
    names = [name for name in checks_of(measurement) if name == VALUES or is_blocking(measurement, name)]
    return [
        f"{name}: {outcome.message}"
        for name, outcome, severity in evaluate(subject, names)
        if not outcome.passed and severity is Severity.ERROR
    ]
