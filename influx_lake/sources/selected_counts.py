"""Counts the rows of windows that a projection and a condition select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.protocol import Source
from influx_lake.sources.window_counts import counts_of


@runtime_checkable
class CountsSelected(Protocol):
    """A source that counts selected rows other than by reading them."""

    def selected_counts(self, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
        """How many rows `read` returns for each window; windows are sorted and do not overlap."""
        ...


def selected_counts(source: Source, schema: MeasurementSchema, windows: Sequence[Window]) -> list[int]:
    """How many rows a source returns for a schema and each window; windows are sorted and do not overlap.

    Raises:
        SourceError: The source cannot tell.
    """
    if not windows:
        return []
    if not _selects(schema):
        return counts_of(source, schema.measurement, windows)
    if isinstance(source, CountsSelected):
        return source.selected_counts(schema, windows)
    return [counted_by_reading(source, schema, window) for window in windows]


def selected_count(source: Source, schema: MeasurementSchema, window: Window) -> int:
    """How many rows a source returns for a schema and one window.

    Raises:
        SourceError: The source cannot tell.
    """
    if not _selects(schema):
        return source.count(schema.measurement, window)
    return selected_counts(source, schema, [window])[0]


def counted_by_reading(source: Source, schema: MeasurementSchema, window: Window) -> int:
    """How many rows a source returns, by reading only their times and fields."""
    with source.read(schema.select(schema.fields), window) as rows:
        return sum(batch.num_rows for batch in rows)


def _selects(schema: MeasurementSchema) -> bool:
    """Whether some points may not be rows."""
    return schema.where is not None or schema.needs_a_field
