"""Validates options that the long layout excludes."""

from __future__ import annotations

from collections.abc import Iterator

from influx_lake.config.measurements.options import MeasurementOptions
from influx_lake.config.report.diagnostics import Location, OptionMistake
from influx_lake.config.tables.shared_tables import MEASUREMENT, TAGS, Share
from influx_lake.config.transforms.options import Metadata, OnCastError
from influx_lake.config.values.source_schema import TIME


def share_of(options: MeasurementOptions, name: str) -> Share | None:
    """The share of its table that a measurement has, where others may be in it: those rows with its name."""
    if options.layout.long is not None:
        return Share(MEASUREMENT, name)
    columns = (column for column, kind in options.metadata_columns.items() if kind is Metadata.MEASUREMENT)
    column = next(columns, None)
    return None if column is None else Share(options.rename.get(column, column), name, is_alone=True)


def check_layout(options: MeasurementOptions) -> None:
    """Check for options that the long layout excludes.

    Raises:
        OptionMistake: There is one.
    """
    if options.layout.long is None:
        return
    if any(rollup.enabled for rollup in options.rollups.values()):
        message = "are computed of the fields of a wide table, and `layout` is long: leave them out"
        raise OptionMistake(message, ("rollups",), ("layout",))
    if options.write.key:
        message = f"is for wide tables: rows of a long one are told apart by {TAGS} and metric_name; leave it out"
        raise OptionMistake(message, ("write", "key"), ("layout",))
    if options.write.merge_fields:
        message = "is for wide tables: a row of a long one has one value; leave it out"
        raise OptionMistake(message, ("write", "merge_fields"), ("layout",))
    if options.on_cast_error is OnCastError.QUARANTINE:
        message = "quarantine keeps rows aside whole, and rows of a long table are single values: use `null` or `fail`"
        raise OptionMistake(message, ("on_cast_error",), ("layout",))
    _check_columns(options)


def _check_columns(options: MeasurementOptions) -> None:
    """Check that options name columns of the long table."""
    assert options.layout.long is not None
    beside = (*options.constants, *(options.rename.get(name, name) for name in options.metadata_columns))
    time = options.rename.get(TIME, TIME)
    layout_columns = dict.fromkeys((time, *options.layout.long.columns, *beside, options.nanoseconds_column))
    for name, place in _named(options):
        if name not in layout_columns:
            columns = ", ".join((time, *options.layout.long.columns, *beside))
            raise OptionMistake(f"names {name}, which a long table does not have: its columns are {columns}", place)
        if name == TAGS:
            raise OptionMistake(f"names {TAGS}, which is a map: name another column", place)


def _named(options: MeasurementOptions) -> Iterator[tuple[str, Location]]:
    write, checks = options.write, options.checks
    yield from ((term.column, ("write", "sort_by")) for term in write.sort_by or ())
    yield from ((name, ("write", "bloom_filter")) for name in write.bloom_filter)
    yield from ((term.column, ("iceberg_partition",)) for term in options.iceberg_partition or ())
    yield from ((name, ("checks", "gaps", "by")) for name in checks.gaps.by)
    yield from ((name, ("checks", "outliers", "columns")) for name in checks.outliers.columns)
    for number, rule in enumerate(checks.values):
        if rule.column is not None:
            yield rule.column, ("checks", "values", number, "column")
