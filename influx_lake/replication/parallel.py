"""Limits how many windows are loaded at once, by their memory."""

from __future__ import annotations

from influx_lake.config import Measurement, RunOptions

_WINDOW = 160_000_000
"""The memory of a window's load beyond that of the process, in bytes: a safe estimate, not a measurement."""
_SORTING = 80_000_000
_STATED_ROW_GROUP = 256 * 2**20


def window_memory(measurement: Measurement) -> int:
    """The most memory that loading a window of a measurement takes, in bytes."""
    sorting = _SORTING if measurement.write.sort_by else 0
    stated = _STATED_ROW_GROUP if "row_group_size" in measurement.write.model_fields_set else 0
    return _WINDOW + sorting + stated


def windows_at_once(options: RunOptions, measurement: Measurement) -> int:
    """How many windows of a measurement a run loads at the same time; at least one."""
    return max(1, min(options.parallel_windows, options.memory // window_memory(measurement)))
