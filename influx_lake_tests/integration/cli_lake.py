"""A lake that the command line works on: a sandbox, a lake.yaml and a catalog in a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox

DAY_NS = 86_400 * 10**9
FIRST_DAY_NS = 1_767_225_600 * 10**9  # 2026-01-01
LAKE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
measurements:
  cpu: {{}}
  mem: {{}}
"""
SQLITE = "{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}"


@dataclass
class CommandResult:
    """The output of a command, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass
class CliLake:
    """The lake, and the commands on it."""

    folder: Path
    box: Sandbox
    capsys: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.folder / "lake.yaml"

    def write_config(self, text: str = LAKE, catalog: str = SQLITE) -> None:
        self.config.write_text(text.format(host=self.box.url, catalog=catalog))
        self.write_token(str(self.box.token))

    def write_token(self, token: str) -> None:
        (self.folder / "token").write_text(token)

    def fill(self, measurement: str, days: range, points: int = 100) -> None:
        """Points of some days of 2026."""
        step = DAY_NS // points // 1000 * 1000
        times = (FIRST_DAY_NS + day * DAY_NS + number * step for day in days for number in range(points))
        lines = [f"{measurement},host=h{number % 3} value={number}i {time}" for number, time in enumerate(times)]
        self.box.write("telemetry", "\n".join(lines))

    def fill_much(self, measurement: str, day: int, points: int) -> None:
        """More points of one day than the writer keeps back before it begins a file."""
        first = FIRST_DAY_NS + day * DAY_NS
        times = pa.array(range(first, first + points * 1000, 1000), pa.timestamp("ns"))
        rows = pa.table({"time": times, "host": ["much"] * points, "value": pa.array(range(points), pa.int64())})
        self.box.load("telemetry", measurement, rows, tags=["host"])

    def tell(self, *arguments: str) -> CommandResult:
        """Run a command in this process; no token may be in what it tells."""
        self.capsys.readouterr()
        code = run([*arguments, "-c", str(self.config)])
        captured = self.capsys.readouterr()
        for token in (str(self.box.token), (self.folder / "token").read_text().strip()):
            assert not token or token not in captured.out + captured.err
        assert "Traceback" not in captured.err, captured.err
        return CommandResult(code, captured.out, captured.err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "influx_lake.cli", *arguments, "-c", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def catalog(self) -> Catalog:
        lake = load_lake(self.config)
        return open_catalog(lake.catalog.name, lake.catalog.properties())

    def rows(self, name: str = "telemetry.cpu") -> int:
        return int(self.catalog.load_table(name).scan().to_arrow().num_rows)

    def metadata(self, name: str = "telemetry.cpu") -> str:
        return str(self.catalog.load_table(name).metadata_location)

    def data_files(self) -> set[Path]:
        """Every Parquet file of the warehouse, committed or not."""
        return set((self.folder / "warehouse").rglob("*.parquet"))
