"""Constant columns, and metadata columns with the origin of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.transforms.options import Metadata
from influx_lake.config.values.source_schema import Column, ColumnType, Role
from influx_lake.config.values.windows import Window
from influx_lake.transforms.steps import Make

TIMESTAMP = pa.timestamp("us", "UTC")
_DOCS = {
    Metadata.MEASUREMENT: "The measurement in InfluxDB",
    Metadata.DATABASE: "The database in InfluxDB",
    Metadata.SOURCE: "The source in lake.yaml",
    Metadata.WINDOW_START: "Where the row's partition of time starts",
    Metadata.LOADED_AT: "When the row was loaded",
    Metadata.RUN_ID: "The run that loaded the row",
}


@dataclass(frozen=True, slots=True)
class LoadContext:
    """The load that rows are read for.

    Attributes:
        run_id: The run.
        loaded_at: When the load began.
    """

    run_id: str = ""
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def metadata_column(name: str, kind: Metadata) -> Column:
    """A metadata column."""
    is_time = kind in (Metadata.WINDOW_START, Metadata.LOADED_AT)
    return Column(
        name,
        Role.FIELD,
        ColumnType.TIME if is_time else ColumnType.STRING,
        made_of=(),
        doc=_DOCS[kind],
        iceberg_type="timestamptz" if is_time else "string",
        is_compared=not kind.is_of_load,
    )


def metadata_values(
    kind: Metadata, measurement: Measurement, window: Window, load: LoadContext
) -> tuple[pa.DataType, Make]:
    """The type and the values of a metadata column, for batches of a window."""
    match kind:
        case Metadata.WINDOW_START:
            return TIMESTAMP, _window_starts(measurement, window)
        case Metadata.LOADED_AT:
            moment = pa.scalar(load.loaded_at, TIMESTAMP)
            return TIMESTAMP, lambda batch: pa.repeat(moment, len(batch))
        case Metadata.RUN_ID:
            return constant_text(load.run_id)
        case _:
            return constant_text(fixed_text(kind, measurement, window) or "")


def fixed_text(kind: Metadata, measurement: Measurement, window: Window) -> str | None:
    """The value of a metadata column in a window, where it is a string that is the same at every load."""
    match kind:
        case Metadata.DATABASE:
            return measurement.database
        case Metadata.SOURCE:
            return measurement.source_of(window)
        case Metadata.MEASUREMENT:
            return measurement.name
        case _:
            return None


def constant_text(text: str) -> tuple[pa.DataType, Make]:
    """The type and the values of a column with one string, dictionary-encoded."""
    values = pa.array([text])

    def make(batch: pa.RecordBatch) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(batch), np.int32)), values)

    return pa.dictionary(pa.int32(), pa.string()), make


def _window_starts(measurement: Measurement, window: Window) -> Make:
    scheme = measurement.scheme
    first = scheme.window_at(window.start)
    starts = [first.start_us]
    while first.end < window.end:
        first = scheme.window_at(first.end)
        starts.append(first.start_us)
    bounds, time = np.array(starts, np.int64), measurement.time_column

    def make(batch: pa.RecordBatch) -> pa.Array:
        if len(bounds) == 1:
            return pa.repeat(pa.scalar(starts[0], pa.int64()), len(batch)).cast(TIMESTAMP)
        column = batch.column(time)
        nanoseconds = np.asarray(column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()))
        places = np.searchsorted(bounds * 1000, nanoseconds, side="right") - 1
        return pa.array(bounds[places], pa.int64()).cast(TIMESTAMP)

    return make
