"""A lake whose tables are there without a source: to ask them, and to see which of their files are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import yaml
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform

from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LARGEST = Decimal(2**64 - 1)
SCHEMA = pa.schema(
    {
        "time": pa.timestamp("us", "UTC"),
        "host": pa.string(),
        "usage.user": pa.float64(),
        "bytes": pa.decimal128(20, 0),
        "labels": pa.map_(pa.string(), pa.string()),
    }
)


@dataclass
class QueriedLake:
    """Its lake.yaml, and its catalog.

    Attributes:
        folder: Where the lake.yaml is.
        properties: The catalog's; SQLite and a folder where none are given.
    """

    folder: Path
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "lake.yaml"

    def write(self, measurements: dict[str, object] | None = None) -> None:
        catalog = {
            "type": "sql",
            "uri": f"sqlite:///{self.folder}/catalog.db",
            "warehouse": str(self.folder / "warehouse"),
            **self.properties,
        }
        lake = {
            "sources": {"default": {"host": "http://localhost:1", "database": "telemetry", "token": "t0p-secret"}},
            "catalog": catalog,
            "measurements": measurements or {"cpu": {}, "mem": {}},
        }
        self.config.write_text(yaml.safe_dump(lake))

    @property
    def catalog(self) -> Catalog:
        lake = load_lake(self.config)
        return open_catalog(lake.catalog.name, lake.catalog.properties())

    def table(self, name: tuple[str, ...] = ("telemetry", "cpu"), schema: pa.Schema = SCHEMA) -> Table:
        """Make a table of days."""
        catalog = self.catalog
        catalog.create_namespace_if_not_exists(name[:-1])
        table = catalog.create_table(name, schema)
        if "time" in schema.names:
            with table.update_spec() as update:
                update.add_field("time", DayTransform(), "day")
        return table

    def data_files(self) -> list[Path]:
        return sorted((self.folder / "warehouse").rglob("*.parquet"))


def rows(day: int, hosts: int = 3) -> pa.Table:
    """One row per host of a day."""
    times = [FIRST + timedelta(days=day, hours=number) for number in range(hosts)]
    return pa.table(
        {
            "time": times,
            "host": [f"h{number}" for number in range(hosts)],
            "usage.user": [day + number / 10 for number in range(hosts)],
            "bytes": [LARGEST - day] * hosts,
            "labels": [[("rack", f"r{day}"), ("none", None)], None, []][:hosts],
        },
        schema=SCHEMA,
    )


def only_days(lake: QueriedLake, days: set[int]) -> None:
    """Take away the files of all other days: who opens one of them fails."""
    kept = [f"day={FIRST + timedelta(days=day):%Y-%m-%d}" for day in days]
    for file in lake.data_files():
        if not any(each in str(file) for each in kept):
            file.unlink()
