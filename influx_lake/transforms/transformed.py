"""Wraps a source with the transforms that a measurement needs."""

from __future__ import annotations

from collections.abc import Callable

from influx_lake.config import ColumnNames, Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.sources.protocol import Source
from influx_lake.transforms.long_source import LongSource
from influx_lake.transforms.provenance import LoadContext
from influx_lake.transforms.source import TransformedSource


def transformed(
    source: Source,
    measurement: Measurement,
    load: LoadContext | None = None,
    declared: Callable[[str], MeasurementSchema] | None = None,
) -> Source:
    """The source of a measurement with its transforms; the source itself where there are none.

    Args:
        source: The source, transformed or not.
        measurement: The measurement.
        load: The load that rows are read for.
        declared: Returns the source's columns; None: the source is asked.
    """
    if isinstance(source, TransformedSource | LongSource):
        if load is None and source.is_for(measurement):
            return source
        source = source.plain
    if not is_transformed(measurement):
        return source
    wide = TransformedSource(source, measurement, load, declared)
    return wide if measurement.layout is None else LongSource(wide, measurement)


def declared_columns(source: Source, schema: MeasurementSchema) -> MeasurementSchema:
    """The columns of a measurement in its source, as of when a schema was read.

    Args:
        source: The source, transformed or not.
        schema: The schema that it returned.
    """
    if isinstance(source, TransformedSource | LongSource):
        return source.declared or schema
    return schema


def is_transformed(measurement: Measurement) -> bool:
    """Whether a measurement's rows are transformed before they are written."""
    types = measurement.types
    return (
        measurement.layout is not None
        or measurement.transforms.transforms
        or bool(measurement.erased)
        or bool(types.types)
        or types.column_names is not ColumnNames.KEEP
    )
