"""What the tables of a lake hold, now and at each moment before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.e2e.living.living_source import DATABASE


@dataclass
class LivingTables:
    """The tables below a folder, read as any client of Iceberg reads them."""

    folder: Path

    @cached_property
    def catalog(self) -> Catalog:
        lake = self.folder / ".lake"
        return open_catalog("lake", {"uri": f"sqlite:///{lake}/catalog.db", "warehouse": f"{lake}/warehouse"})

    def rows(self, measurement: str) -> pa.Table | None:
        """All rows; None while there is no table."""
        try:
            return self.catalog.load_table((DATABASE, measurement)).scan().to_arrow()
        except NoSuchTableError:
            return None

    def latencies(self, measurement: str, since: datetime) -> dict[datetime, timedelta]:
        """How long after its time each point from then on was first in a snapshot of the table."""
        table = self.catalog.load_table((DATABASE, measurement))
        seen: dict[datetime, timedelta] = {}
        for snapshot in sorted(table.snapshots(), key=lambda each: each.timestamp_ms):
            committed = datetime.fromtimestamp(snapshot.timestamp_ms / 1_000, UTC)
            scan = table.scan(snapshot_id=snapshot.snapshot_id, selected_fields=("time",))
            for moment in pc.unique(scan.to_arrow()["time"]).to_pylist():
                if moment >= since and moment not in seen:
                    seen[moment] = committed - moment
        return seen


def in_microseconds(rows: pa.Table) -> pa.Table:
    """Rows with times as tables have them."""
    place = rows.schema.get_field_index("time")
    return rows.set_column(place, "time", rows["time"].cast(pa.timestamp("us", "UTC")))


def difference(source: pa.Table | None, lake: pa.Table | None) -> str:
    """In which rows two tables differ, in any order; nothing where they are equal."""
    if source is None or lake is None:
        return "there is no table"
    source, lake = in_microseconds(source), in_microseconds(lake)
    names = ", ".join(f'"{name}"' for name in sorted(source.column_names) if name != "time")
    if set(source.column_names) != set(lake.column_names):
        return f"columns: {sorted(source.column_names)} and {sorted(lake.column_names)}"
    with duckdb.connect() as database:
        database.register("source", source)
        database.register("lake", lake)
        rows = {each: f"SELECT epoch_us(time) AS time, {names} FROM {each}" for each in ("source", "lake")}
        for one, other in (("source", "lake"), ("lake", "source")):
            lone = database.sql(f"{rows[one]} EXCEPT ALL {rows[other]} ORDER BY time").fetchall()
            if lone:
                return f"{len(lone)} rows are only in the {one}, from {lone[0]} to {lone[-1]}"
    return ""
