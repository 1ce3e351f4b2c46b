"""A lake whose tables a query engine maintains: some hours of two days, each hour a commit and a file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.cli.entry import run
from influx_lake.config import Lake, load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox

DAYS = 2
HOURS = 3
"""How many hours of each day are loaded."""
ROWS = 3
"""How many rows an hour has."""
LAKE = """\
sources:
  default: {{host: "{host}", database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {{name: warehouse, type: rest, uri: "{catalog}"}}
engines: {engines}
defaults:
  lag: 1s
  partition: {{every: hour, start: "{start:%Y-%m-%d}"}}
  maintenance:
    engine: {engine}
    compact: {{after: 1s, min_input_files: 2}}
    rewrite_manifests: {{min_manifests: 2}}
    expire_snapshots: {{older_than: 1s, keep_last: 1}}
    remove_orphans: {{older_than: 1d}}
measurements: {measurements}
"""


@dataclass
class EngineLake:
    """The lake.

    Attributes:
        folder: Where its lake.yaml is.
        box: Its source.
        engine: Who maintains its tables.
        start: When the first hour begins.
    """

    folder: Path
    box: Sandbox
    engine: str
    start: datetime

    @classmethod
    def made(
        cls, folder: Path, box: Sandbox, catalog: str, engine: str, engines: Mapping[str, Any], names: Mapping[str, Any]
    ) -> EngineLake:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        lake = cls(folder, box, engine, midnight - timedelta(days=DAYS))
        written = {"host": box.url, "catalog": catalog, "engine": engine, "start": lake.start}
        text = LAKE.format(**written, engines=json.dumps(engines), measurements=json.dumps(names))
        (folder / "lake.yaml").write_text(text)
        (folder / "token").write_text(str(box.token))
        return lake

    def day(self, number: int) -> tuple[str, str]:
        """From when to when hours of a day are loaded."""
        first = self.start + timedelta(days=number)
        return first.isoformat(), (first + timedelta(hours=HOURS)).isoformat()

    def fill(self, name: str) -> None:
        """Write points and load the hours of the two days, in a commit each."""
        step = 3600 // ROWS
        for number in range(DAYS):
            first = int((self.start + timedelta(days=number)).timestamp())
            points = (f"{name},host=h{at % 3} value={at} {(first + at * step) * 10**9}" for at in range(HOURS * ROWS))
            self.box.write("telemetry", "\n".join(points))
            self.load(name, *self.day(number))

    def load(self, name: str, start: str, end: str) -> None:
        code, told = self.tell("replicate", name, "--start", start, "--end", end)
        assert code == 0, told

    @cached_property
    def lake(self) -> Lake:
        return load_lake(self.folder / "lake.yaml")

    @cached_property
    def catalog(self) -> Catalog:
        return open_catalog(self.lake.catalog.name, self.lake.catalog.properties())

    def table(self, name: str) -> Table:
        return self.catalog.load_table(self.lake.find(name).identifier)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return list(self.table(name).scan().to_arrow().sort_by("time").to_pylist())

    def files(self, name: str) -> list[str]:
        return [task.file.file_path for task in self.table(name).scan().plan_files()]

    def on_disk(self, name: str) -> set[str]:
        location = Path(self.table(name).location().removeprefix("file://"))
        return {str(path) for path in location.rglob("*") if path.is_file() and not path.name.endswith(".crc")}

    def tell(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a command; its exit code, and what it told."""
        capsys = self.capsys
        assert capsys is not None
        capsys.readouterr()
        code = run([*arguments, "-c", str(self.folder / "lake.yaml"), "--json"])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, json.loads(captured.out)

    capsys: pytest.CaptureFixture[str] | None = None

    def maintain(self, name: str, *options: str) -> dict[str, Any]:
        """`influx-lake maintain`: what it told of the one kind of one table."""
        code, told = self.tell("maintain", name, *options)
        assert code == 0, told
        [done] = told["maintained"]
        assert isinstance(done, dict)
        return done

    def assert_known(self, name: str) -> None:
        """All that loads left is still known: each hour is loaded, and nothing looks like others' work."""
        _, told = self.tell("status", name)
        [found] = told["measurements"]
        assert found["windows_loaded"] == DAYS * HOURS
        assert found["changed_by_others"]["changes"] == []
        for number in range(DAYS):
            start, end = self.day(number)
            code, told = self.tell("verify", name, "--start", start, "--end", end)
            assert code == 0, told
