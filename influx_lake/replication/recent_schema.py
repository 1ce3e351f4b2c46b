"""Caches the columns of measurements for a moment, so that small windows do not ask for them each time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.sources.protocol import Source

SECONDS = 1.0
"""How long an answer holds: long for a window of a few rows, and short for a field that appears during a run."""


class RecentSchemas:
    """What a source declared at most a second ago; threads may share it.

    For one run: whatever was written before the run began is seen by it. A field that appears meanwhile is as one that
    was written a second later.

    Args:
        source: The source.
        seconds: How long its answers hold.
    """

    def __init__(self, source: Source, seconds: float = SECONDS) -> None:
        self._source = source
        self._seconds = seconds
        self._known: dict[str, tuple[float, MeasurementSchema]] = {}
        self._lock = threading.Lock()

    def schema(self, measurement: str) -> MeasurementSchema:
        """The measurement's columns.

        Raises:
            SourceError: The source cannot tell; asked again the next time.
        """
        with self._lock:
            now = monotonic()
            known = self._known.get(measurement)
            if known is None or now - known[0] >= self._seconds:
                # It holds from when it was asked for: nothing is known of what came after that.
                known = self._known[measurement] = (now, self._source.schema(measurement))
            return known[1]


@dataclass(frozen=True, slots=True)
class FixedSchema:
    """What a source declared when a load began: all parts of a window have the same columns.

    Attributes:
        declared: The measurement's columns.
    """

    declared: MeasurementSchema

    def schema(self, measurement: str) -> MeasurementSchema:  # noqa: ARG002 - of the only measurement
        """The measurement's columns."""
        return self.declared
