"""Checks that the query engines which tables name are configured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.engines import Engine
from influx_lake.config.maintenance.options import MaintenanceOptions
from influx_lake.config.report.diagnostics import Location

if TYPE_CHECKING:
    from influx_lake.config.lake.lake import Lake

_EXAMPLES = {
    Engine.SPARK: "spark: {remote: 'sc://spark.example.com:15002'}",
    Engine.TRINO: "trino: {host: 'https://trino.example.com:8443'}",
    Engine.ATHENA: "athena: {workgroup: primary}",
}


def engine_mistakes(lake: Lake) -> Iterator[tuple[Location, str]]:
    """The places that name a query engine which is not configured, each with the mistake."""
    for location, options in _stated(lake):
        if options is not None and not lake.engines.has(options.engine):
            example = f"engines: {{{_EXAMPLES[options.engine]}}}"
            yield (*location, "maintenance", "engine"), f"{options.engine} is not among `engines`: write `{example}`"


def _stated(lake: Lake) -> Iterator[tuple[Location, MaintenanceOptions | None]]:
    for measurement in lake.measurements:
        place = ("measurements", measurement.key)
        yield place, measurement.maintenance
        for rollup in measurement.rollups:
            if rollup.maintenance != measurement.maintenance:
                yield (*place, "rollups", rollup.name), rollup.maintenance
    for pattern in lake.patterns:
        yield ("measurements", pattern.text), pattern.options.maintenance
