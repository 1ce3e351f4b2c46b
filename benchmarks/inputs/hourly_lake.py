"""A table that was loaded hour by hour for a year, and maintained each week: what `benchmarks.engines` asks.

`python -m benchmarks.inputs.hourly_lake FOLDER [--days N]` makes it with the product: 24 commits and files a day,
snapshots expired after each week but the last one, manifests rewritten, as the defaults of `maintenance` have it. Files
are not compacted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.maintenance.options import ExpireOptions, ManifestOptions, MetadataOptions
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.metadata import metadata
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.target import Provenance, TableTarget
from testbed.loads import load_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

START = datetime(2025, 1, 1, tzinfo=UTC)
HOSTS = 20
MINUTES = 60
ROWS = HOSTS * MINUTES
"""How many rows an hour has: one of each host in each minute."""
TARGET = TableTarget(("telemetry", "cpu"))
_PROVENANCE = Provenance("bench", "run")
_WEEK = 7


@dataclass
class Hour:
    """The points of an hour."""

    number: int

    @property
    def schema(self) -> pa.Schema:
        fields = [("host", pa.string()), *((name, pa.float64()) for name in ("usage_user", "usage_system", "load1"))]
        return pa.schema([pa.field("time", pa.timestamp("ns"), nullable=False), *(pa.field(*each) for each in fields)])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        first = int((START + timedelta(hours=self.number)).timestamp()) * 10**9
        times = [first + row % MINUTES * 60 * 10**9 for row in range(ROWS)]
        values = [[(row * step + self.number) % 1000 / 10 for row in range(ROWS)] for step in (7, 11, 13)]
        hosts = [f"host-{row // MINUTES:02}" for row in range(ROWS)]
        yield pa.record_batch([times, hosts, *values], schema=self.schema)


def properties(folder: Path) -> dict[str, str]:
    """Those of the catalog; its tables have addresses that every engine knows."""
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


def make(folder: Path, days: int) -> None:
    """Load and maintain the table."""
    catalog = open_catalog("lake", properties(folder))
    for day in range(days):
        for hour in range(day * 24, (day + 1) * 24):
            start = START + timedelta(hours=hour)
            window = Window(start, start + timedelta(hours=1))
            replace_window(load_of(catalog, TARGET, Hour(hour), window, _PROVENANCE))
        if day % _WEEK == 0 or day == days - 1:
            _maintain(catalog, expire=day < days - _WEEK)


def _maintain(catalog: Catalog, *, expire: bool) -> None:
    task = TableTask(catalog, TARGET, "maintenance", datetime.now(UTC) + timedelta(days=1))
    if expire:
        expire_snapshots(task, ExpireOptions(older_than=timedelta(0), keep_last=10))
    rewrite_manifests(task, ManifestOptions())
    metadata(task, MetadataOptions())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=365)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    make(arguments.folder.resolve(), arguments.days)


if __name__ == "__main__":
    main()
