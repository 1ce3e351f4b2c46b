"""A sandbox and a catalog, and what three engines see of a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.config import Measurement, TypeOptions
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source

SCHEME = Scheme(Every.DAY, parse_moment("2026-01-01"))
START_NS = int(SCHEME.start.timestamp()) * 10**9
Row = dict[str, Any]


def day(number: int) -> Window:
    return SCHEME.window_at(SCHEME.start + timedelta(days=number))


def measurement(name: str = "cpu", types: TypeOptions | None = None, **options: Any) -> Measurement:
    return Measurement(
        key=name,
        name=name,
        source="default",
        database="telemetry",
        namespace=("telemetry",),
        table=options.pop("table", name),
        scheme=SCHEME,
        types=types or TypeOptions(),
        # A database made anew is another source.
        adopt=True,
        **options,
    )


@dataclass
class TypedLake:
    """Where points are written, and where they should arrive."""

    box: Sandbox
    source: InfluxDB3Source
    catalog: Catalog

    def write(self, *lines: str, database: str = "telemetry") -> None:
        self.box.write(database, "\n".join(lines))

    def load(self, of: Measurement, window: Window | int = 0, source: InfluxDB3Source | None = None) -> WindowResult:
        window = day(window) if isinstance(window, int) else window
        return replicate_window(source or self.source, self.catalog, of, window, run_id="test")

    def table(self, of: Measurement) -> Table:
        return self.catalog.load_table(of.identifier)

    def types(self, of: Measurement) -> dict[str, str]:
        return {field.name: str(field.field_type) for field in self.table(of).schema().fields}

    def rows(self, of: Measurement, window: Window | int = 0) -> list[Row]:
        window = day(window) if isinstance(window, int) else window
        rows: list[Row] = read_windows(self.table(of), [window]).read_all().sort_by("time").to_pylist()
        return rows


def through_polars(table: Table) -> list[Row]:
    import polars as pl

    return pl.scan_iceberg(table).collect().to_dicts()


def through_duckdb(table: Table) -> list[Row]:
    import duckdb
    from duckdb_extensions import import_extension

    with duckdb.connect() as connection:
        for extension in ("avro", "iceberg"):
            import_extension(extension, con=connection)
            connection.load_extension(extension)
        connection.execute("set timezone = 'UTC'")
        rows: list[Row] = connection.sql(f"from iceberg_scan('{table.metadata_location}')").to_arrow_table().to_pylist()
        return rows
