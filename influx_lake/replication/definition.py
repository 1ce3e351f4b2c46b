"""Windows that were loaded under another definition in lake.yaml."""

from __future__ import annotations

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.table_state import TableState


def is_outdated(measurement: Measurement, state: TableState, window: Window) -> bool:
    """Whether rows of a window were loaded under another definition, so that they cannot be compared with the
    source.
    """
    return window.overlaps_any(state.outdated_under(measurement.definition))


def outdated_windows(measurement: Measurement, state: TableState) -> list[Window]:
    """The windows of a measurement that were loaded under another definition, wholly or in part, oldest first.

    Args:
        measurement: The measurement, as lake.yaml declares it now.
        state: The state of its table.
    """
    outdated = state.outdated_under(measurement.definition)
    return list(
        dict.fromkeys(window for part in outdated for window in measurement.scheme.windows(part.start, part.end))
    )
