"""The statistics of an InfluxDB 3: `system.parquet_files` and `system.queries`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from functools import partial

from influx_lake.config.connections import InfluxDB3Config
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.usage.server_statistics import MeasurementUsage, Part, Queries, SourceUsage, told

_KEPT = "the database, as far as the server keeps them"


def usage_of_influxdb3(config: InfluxDB3Config, measurements: Sequence[str]) -> SourceUsage:
    """The statistics of the database; errors as of `usage_of`."""
    not_told = {
        "series": "InfluxDB 3 does not count series",
        "what is not persisted yet": "the newest points are not yet in files, and not in these figures",
    }
    by_name = {}
    with closing(InfluxDB3Source(config)) as source:
        # Unknown table names make servers before 3.11 panic, so only listed ones are queried.
        there = set(source.measurements())
        for name in measurements:
            files = told(not_told, "bytes and rows", partial(source.persisted, name)) if name in there else None
            by_name[name] = MeasurementUsage() if files is None else _of_files(files)
        queries = told(not_told, "queries", source.queries)
    sizes = [each.bytes for each in by_name.values() if each.bytes is not None]
    if len(sizes) < len(there):
        not_told["bytes of the database"] = "the sum only includes the measurements of the lake"
    return SourceUsage(
        bytes=sum(sizes) if sizes else None,
        queries=None if queries is None else Queries(queries[0], queries[1], _KEPT),
        measurements=by_name,
        not_told=not_told,
        others=tuple(sorted(there - set(measurements))),
    )


def _of_files(files: Sequence[tuple[int, int, datetime, datetime]]) -> MeasurementUsage:
    parts = tuple(Part(first, last, size, rows) for size, rows, first, last in files)
    return MeasurementUsage(
        bytes=sum(part.bytes for part in parts), rows=sum(part.rows or 0 for part in parts), parts=parts
    )
