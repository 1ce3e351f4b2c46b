"""A lake whose tables other tools change, looked at through its doors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.checks.gaps import gaps
from influx_lake.checks.outcome import Outcome
from influx_lake.checks.subject import Subject
from influx_lake.cli.entry import run
from influx_lake.config import InfluxDB3Config, Lake, Measurement, Secret, load_lake
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowNotLoaded
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.replication.window import replicate_window
from influx_lake.rollups.window import roll_up_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source

DAYS = 3
ROWS = 24
"""An hour apart, of three hosts."""
LAKE = """\
sources:
  default: {{type: influxdb3, host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {{name: lake, type: sql, uri: 'sqlite:///./c.db', warehouse: ./w}}
defaults:
  lag: 1s
  partition: {{every: day, start: "{start}"}}
  rollups: {{hourly: {{every: 1h, functions: [mean]}}}}
measurements:
{measurements}
"""


@dataclass
class ChangedLake:
    """A lake in a folder; each case has a measurement of its own, of three closed days.

    Attributes:
        folder: Where it is.
        box: Its source.
        start: When the first day begins.
    """

    folder: Path
    box: Sandbox
    start: datetime

    @classmethod
    def made(cls, folder: Path, box: Sandbox, names: Sequence[str], options: dict[str, str]) -> ChangedLake:
        """Write the lake's file and the points of its measurements."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        lake = cls(folder, box, midnight - timedelta(days=DAYS))
        listed = "\n".join(f"  {name}: {options.get(name, '{}')}" for name in names)
        text = LAKE.format(host=box.url, start=f"{lake.start:%Y-%m-%d}", measurements=listed)
        (folder / "lake.yaml").write_text(text)
        (folder / "token").write_text(str(box.token))
        first = int(lake.start.timestamp())
        for name in names:
            points = (f"{name},host=h{at % 3} value={at} {(first + at * 3600) * 10**9}" for at in range(DAYS * ROWS))
            box.write("telemetry", "\n".join(points))
        return lake

    @cached_property
    def lake(self) -> Lake:
        return load_lake(self.folder / "lake.yaml")

    @cached_property
    def catalog(self) -> Catalog:
        return open_catalog(self.lake.catalog.name, self.lake.catalog.properties())

    def measurement(self, name: str) -> Measurement:
        return self.lake.find(name)

    def table(self, name: str) -> Table:
        return self.catalog.load_table(self.measurement(name).identifier)

    def day(self, number: int) -> Window:
        return Window(self.start + timedelta(days=number), self.start + timedelta(days=number + 1))

    def hour(self, day: int, hour: int) -> str:
        return (self.start + timedelta(days=day, hours=hour)).isoformat()

    def load(self, name: str) -> None:
        """Load the three days, each in a commit of its own, and roll them up."""
        of = self.measurement(name)
        source = InfluxDB3Source(
            InfluxDB3Config(host=self.box.url, database="telemetry", token=Secret(str(self.box.token)))
        )
        for number in range(DAYS):
            replicate_window(source, self.catalog, of, self.day(number), run_id="test")
            self.roll_up(name, number)
        source.close()

    def roll_up(self, name: str, day: int) -> None:
        of = self.measurement(name)
        roll_up_window(self.catalog, of, of.rollups[0], self.day(day), run_id="test")

    def aggregates(self, name: str) -> list[dict[str, Any]]:
        of = self.measurement(name)
        table = self.catalog.load_table(of.rollups[0].identifier)
        whole = Window(self.start, self.start + timedelta(days=DAYS))
        return list(read_windows(table, [whole]).read_all().sort_by([("time", "ascending")]).to_pylist())

    def gaps(self, name: str) -> Outcome:
        """What the check `gaps` says."""
        source = InfluxDB3Source(
            InfluxDB3Config(host=self.box.url, database="telemetry", token=Secret(str(self.box.token)))
        )
        with_source = Subject(self.measurement(name), self.catalog, lambda: source, datetime.now(UTC))
        try:
            return gaps(with_source)
        finally:
            source.close()

    def rows(self, name: str) -> int:
        return int(self.table(name).scan().to_arrow().num_rows)

    def tell(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
        """Run a command; its exit code, and what it told."""
        capsys.readouterr()
        code = run([*arguments, "-c", str(self.folder / "lake.yaml")])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out + captured.err

    def status(self, capsys: pytest.CaptureFixture[str], name: str) -> dict[str, Any]:
        code, told = self.tell(capsys, "status", name, "--json")
        assert code == 0, told
        [found] = json.loads(told)["measurements"]
        assert isinstance(found, dict)
        return found

    def assert_told(
        self, capsys: pytest.CaptureFixture[str], name: str, operations: Sequence[str], lost: Sequence[int]
    ) -> None:
        """`status` and the check `gaps` tell what happened and which days it took."""
        found = self.status(capsys, name)
        others, windows = found["changed_by_others"], [str(self.day(number)) for number in lost]
        assert [change["operation"] for change in others["changes"]] == list(operations)
        assert others["windows_lost"] == windows
        assert found["windows_missing"] == windows
        outcome = self.gaps(name)
        assert outcome.passed == (not lost), outcome.message
        assert outcome.figures["missing_windows"] == len(lost)
        if operations:
            _, told = self.tell(capsys, "status", name)
            flat = " ".join(told.split())
            assert "changed by others" in flat
            assert "changed by others" in outcome.message
            assert all(change["snapshot_id"] in others["message"] for change in others["changes"][:5])

    def assert_mended(self, capsys: pytest.CaptureFixture[str], name: str, lost: Sequence[int]) -> None:
        """Roll-ups of days that were lost are refused; `replicate --missing-only` loads these, and all is as it was."""
        before = self.aggregates(name)
        for number in lost:
            with pytest.raises(WindowNotLoaded):
                self.roll_up(name, number)
        assert self.aggregates(name) == before
        code, told = self.tell(capsys, "replicate", name, "--missing-only", "--json")
        assert code == 0, told
        assert self.status(capsys, name)["windows_missing"] == []
        code, told = self.tell(capsys, "verify", name)
        assert code == 0, told
        assert self.rows(name) == DAYS * ROWS
        for number in range(DAYS):
            self.roll_up(name, number)
        assert self.aggregates(name) == before
