"""Checks that the engines which tables and windows name can be used for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from influx_lake.config.connections.storage import StoredConfig
from influx_lake.config.maintenance.engines import Engine
from influx_lake.config.maintenance.options import MaintenanceOptions
from influx_lake.config.report.diagnostics import Location
from influx_lake.config.values.load_engines import LoadEngine

if TYPE_CHECKING:
    from influx_lake.config.lake.lake import Lake

_EXAMPLES = {
    Engine.SPARK: "spark: {remote: 'sc://spark.example.com:15002'}",
    Engine.TRINO: "trino: {host: 'https://trino.example.com:8443'}",
    Engine.ATHENA: "athena: {workgroup: primary}",
}


def engine_mistakes(lake: Lake) -> Iterator[tuple[Location, str]]:
    """The places that name an engine which cannot be used there, each with the mistake."""
    for location, options in _stated(lake):
        if options is not None and not lake.engines.has(options.engine):
            example = f"engines: {{{_EXAMPLES[options.engine]}}}"
            yield (*location, "maintenance", "engine"), f"{options.engine} is not among `engines`: write `{example}`"
    for measurement in lake.measurements:
        origins = [lake.source(name) for name in measurement.sources if name in lake.sources]
        if measurement.engine is LoadEngine.SPARK and not any(isinstance(each, StoredConfig) for each in origins):
            yield (
                ("measurements", measurement.key, "engine"),
                "Spark loads from files (landing_zone, line_protocol, influxdb3_parquet), and its source is a server: "
                "leave it out, or name such a source",
            )


def _stated(lake: Lake) -> Iterator[tuple[Location, MaintenanceOptions | None]]:
    for measurement in lake.measurements:
        place = ("measurements", measurement.key)
        yield place, measurement.maintenance
        for rollup in measurement.rollups:
            if rollup.maintenance != measurement.maintenance:
                yield (*place, "rollups", rollup.name), rollup.maintenance
    for pattern in lake.patterns:
        yield ("measurements", pattern.text), pattern.options.maintenance
