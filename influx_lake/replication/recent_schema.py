"""Caches the columns of measurements for a second, so that small windows do not query them each time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.sources.protocol import Source

SECONDS = 1.0
"""How long an answer is valid, in seconds: long for a window of a few rows, short for a new field."""


class RecentSchemas:
    """The schemas that a source declared at most a second ago; threads may share it.

    For one run: it sees everything that was written before the run began. A field that appears meanwhile is seen up to
    a second later.

    Args:
        source: The source.
        seconds: How long its answers are valid.
    """

    def __init__(self, source: Source, seconds: float = SECONDS) -> None:
        self._source = source
        self._seconds = seconds
        self._known: dict[str, tuple[float, MeasurementSchema]] = {}
        self._lock = threading.Lock()

    def schema(self, measurement: str) -> MeasurementSchema:
        """The measurement's columns.

        Raises:
            SourceError: The source cannot be read; the next call asks again.
        """
        with self._lock:
            now = monotonic()
            known = self._known.get(measurement)
            if known is None or now - known[0] >= self._seconds:
                # Valid from the time of the query, since later changes are not known.
                known = self._known[measurement] = (now, self._source.schema(measurement))
            return known[1]


@dataclass(frozen=True, slots=True)
class FixedSchema:
    """The schema that a source declared when a load began, so that all parts of a window have the same columns.

    Attributes:
        declared: The measurement's columns.
    """

    declared: MeasurementSchema

    def schema(self, measurement: str) -> MeasurementSchema:  # noqa: ARG002 - of the only measurement
        """The measurement's columns."""
        return self.declared
