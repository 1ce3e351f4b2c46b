"""Resolves the roll-ups of a measurement."""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.maintenance.options import MaintenanceOptions, StatisticsOptions
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.measurements.rollups import DEFAULT_FUNCTIONS, Rollup, RollupOptions
from influx_lake.config.report.diagnostics import OptionMistake
from influx_lake.config.tables.file_options import FileOptions, WriteOptions
from influx_lake.config.tables.write_properties import check_write

_OF_THE_COLUMNS = {"bloom_filter", "sort_by"}
"""Options that name columns, which a roll-up does not inherit."""


def resolve_rollups(measurement: Measurement, declared: Mapping[str, RollupOptions]) -> tuple[Rollup, ...]:
    """The roll-ups of a measurement that are enabled.

    Raises:
        OptionMistake: One contradicts itself or its measurement.
    """
    return tuple(_resolved(measurement, name, options) for name, options in declared.items() if options.enabled)


def _resolved(measurement: Measurement, name: str, options: RollupOptions) -> Rollup:
    every = measurement.scheme.every
    if options.every is None:
        raise OptionMistake("is missing: how long a bucket is, such as 1h", ("rollups", name, "every"))
    if not options.every.divides(every):
        message = f"partitions by {every} do not hold whole buckets of {options.every}: write a shorter one"
        raise OptionMistake(message, ("rollups", name, "every"), ("partition", "every"))
    if options.fields == {} and not options.functions:
        raise OptionMistake("computes nothing: give `functions`, or `fields`", ("rollups", name, "fields"))
    write = _write(measurement.write, options.write)
    try:
        check_write(write, options.table_properties)
    except OptionMistake as mistake:
        below = [("rollups", name, *location) for location in mistake.options]
        raise OptionMistake(mistake.message, *below, *mistake.options) from None
    return Rollup(
        name=name,
        namespace=tuple(options.namespace.split(".")) if options.namespace else measurement.namespace,
        table=options.table or f"{measurement.table}_{name}",
        bucket=options.every,
        by=options.by,
        functions=options.functions or (DEFAULT_FUNCTIONS if options.fields is None else ()),
        fields=options.fields or {},
        iceberg_partition=options.iceberg_partition,
        write=write,
        table_properties=options.table_properties,
        maintenance=_maintenance(measurement.maintenance, options),
        memory_limit=options.memory_limit,
        spill_directory=options.spill_directory,
        adopt=options.adopt,
        description=options.description,
        owners=measurement.owners if options.owners is None else options.owners,
        tags={**measurement.tags, **options.tags},
    )


def _write(measurement: WriteOptions, own: FileOptions) -> WriteOptions:
    """The roll-up's write options over the measurement's."""
    shared = (FileOptions.model_fields.keys() | {"commit_timeout"}) - _OF_THE_COLUMNS
    if "compression" in own.model_fields_set:
        # Another codec has other levels.
        shared -= {"compression_level"}
    stated = {name: getattr(measurement, name) for name in measurement.model_fields_set & shared}
    return WriteOptions(**stated | {name: getattr(own, name) for name in own.model_fields_set})


def _maintenance(measurement: MaintenanceOptions | None, options: RollupOptions) -> MaintenanceOptions | None:
    """The roll-up's maintenance options over the measurement's."""
    own = options.maintenance
    if "maintenance" not in options.model_fields_set:
        own = MaintenanceOptions()
        if measurement is None:
            return None
    if own is None or measurement is None:
        return own
    if measurement.statistics is not None:
        measurement = measurement.model_copy(update={"statistics": StatisticsOptions()})
    return measurement.overlaid(own)
