"""A lake whose source is a database of a real InfluxDB 3 Core, with the plugin inside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from testbed.influxdb3_core import InfluxDB3Core
from testbed.waiting import wait_until

LAST_YEAR = datetime(2025, 3, 10, tzinfo=UTC)
LAST_YEAR_NS = int(LAST_YEAR.timestamp()) * 10**9
DAY_NS = 86_400 * 10**9
LAKE = """\
sources:
  default: {{host: "{url}", database: {database}, token: "${{file:token}}", changes: {{}}, retry: {{budget: 5s}}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements:
  cpu: {{reconcile: off, partition: {{every: month, start: 2025-01-01}}}}
serve: {{port: 0, tokens: ["${{file:service-token}}"]}}
"""
SERVICE_TOKEN = "token-of-the-service-1234567890"


@dataclass
class CoreLake:
    """The lake.

    Attributes:
        folder: Holds its lake.yaml and its tables.
        core: The server.
        database: The database.
        capsys: Takes what commands tell.
    """

    folder: Path
    core: InfluxDB3Core
    database: str
    capsys: pytest.CaptureFixture[str]

    def __post_init__(self) -> None:
        text = LAKE.format(url=self.core.url, database=self.database)
        if not self.core.token:
            text = text.replace(' token: "${file:token}",', "")
        self.config.write_text(text)
        (self.folder / "token").write_text(self.core.token)
        (self.folder / "service-token").write_text(SERVICE_TOKEN)

    @property
    def config(self) -> Path:
        return self.folder / "lake.yaml"

    def tell(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a command; its exit code, and what it tells as JSON. The token is in none of it."""
        self.capsys.readouterr()
        code = run([*arguments, "--config", str(self.config), "--json"])
        said = self.capsys.readouterr()
        assert not self.core.token or self.core.token not in said.out + said.err
        return code, json.loads(said.out or said.err)

    def install(self, *options: str) -> None:
        """Put the plugin into the database, and wait until it has ticked."""
        assert self.tell("engine", "install", "--database", self.database, *options)[0] == 0
        wait_until(lambda: self.status()["ticked"], "the plugin ticks", 30)

    def status(self) -> dict[str, Any]:
        """What the plugin says of itself."""
        path = f"/api/v3/engine/influx_lake/{self.database}"
        found: dict[str, Any] = json.loads(self.core.request("GET", path, action="status"))
        return found

    def write(self, *moments: int, measurement: str = "cpu") -> None:
        """Points at some times, in nanoseconds."""
        self.core.write("\n".join(f"{measurement},host=a usage=1.5 {moment}" for moment in moments), self.database)

    def changes(self) -> list[dict[str, Any]]:
        """What the plugin left in its table, oldest first, without the rows that say that it is alive."""
        return self.core.query(
            "SELECT measurement, first, last, points FROM influx_lake_changes "
            "WHERE measurement != 'influx_lake_changes' ORDER BY time",
            self.database,
        )

    def has_changes(self, count: int) -> bool:
        """Whether the plugin left so many."""
        return len(self.changes()) == count

    def rows(self) -> int:
        """How many rows the table in the lake has."""
        lake = load_lake(self.config)
        catalog = open_catalog(lake.catalog.name, lake.catalog.properties())
        return int(catalog.load_table(f"{self.database}.cpu").scan().to_arrow().num_rows)
