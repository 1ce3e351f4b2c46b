"""A lake whose checks are done by runs of its own definitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from influx_lake.config import load_lake
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox

START = parse_moment("2026-01-01")
START_NS = int(START.timestamp()) * 10**9
HOUR_NS = 3600 * 10**9
DAYS = Scheme(Every.DAY, START)
CPU = dg.AssetKey(["telemetry", "cpu"])
HEAD = """
sources:
  default: {{type: influxdb3, host: "{url}", database: telemetry, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}
catalog: {{name: lake, type: sql, uri: "sqlite:///catalog.db", warehouse: warehouse}}
defaults: {{namespace: telemetry, adopt: true}}
"""


@dataclass
class CheckedLake:
    """The lake in a folder.

    Attributes:
        folder: Where its lake.yaml and its tables are.
        box: Its source.
        instance: Dagster's.
        measurements: What the section `measurements` says.
        url: Where the source is looked for, if not where it is.
        more: Other sections.
    """

    folder: Path
    box: Sandbox
    instance: dg.DagsterInstance
    measurements: str = "{cpu: {}}"
    url: str | None = None
    more: str = ""
    results: list[dg.ExecuteInProcessResult] = field(default_factory=list)

    def write(self, *lines: str) -> None:
        """Points in line protocol, their times in hours since the start."""
        points = (line.rpartition(" ") for line in lines)
        told = [f"{point} {START_NS + round(float(hours) * HOUR_NS)}" for point, _, hours in points]
        self.box.write("telemetry", "\n".join(told))

    @property
    def definitions(self) -> dg.Definitions:
        path = self.folder / "lake.yaml"
        path.write_text(
            HEAD.format(url=self.url or self.box.url) + self.more + f"\nmeasurements: {self.measurements}\n"
        )
        return build_definitions(load_lake(path))

    def load(self, first: str = "2026-01-01", last: str | None = None) -> dg.ExecuteInProcessResult:
        """Materialise cpu, and everything that is checked afterwards."""
        return self._run(dg.AssetSelection.assets(CPU), first, last or first)

    def load_alone(self, first: str = "2026-01-01", last: str | None = None) -> dg.ExecuteInProcessResult:
        """Materialise cpu and check nothing."""
        return self._run(dg.AssetSelection.assets(CPU).without_checks(), first, last or first)

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        """Do one check of cpu alone."""
        selection = dg.AssetSelection.checks(dg.AssetCheckKey(CPU, name))
        return self.evaluations(self._run(selection))[name]

    def evaluations(self, result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
        return {each.check_name: each for each in result.get_asset_check_evaluations()}

    def append_to_table(self, hours: float, **values: Any) -> None:
        """Write a row into the table that the source does not have."""
        import pyarrow as pa

        lake = load_lake(self.folder / "lake.yaml")
        table = open_catalog(lake.catalog.name, lake.catalog.properties()).load_table("telemetry.cpu")
        time = pa.scalar(START_NS // 1000 + round(hours * HOUR_NS / 1000), pa.int64()).cast(pa.timestamp("us", "UTC"))
        schema = table.schema().as_arrow()
        rows = {name: [values.get(name)] for name in schema.names if name != "time"}
        table.append(pa.table({"time": pa.array([time.as_py()], pa.timestamp("us", "UTC")), **rows}, schema=schema))

    def _run(
        self, selection: dg.AssetSelection, first: str | None = None, last: str | None = None
    ) -> dg.ExecuteInProcessResult:
        job = dg.define_asset_job("chosen", selection=selection)
        merged = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        ends = {"start": first, "end": last}
        tags = {f"dagster/asset_partition_range_{end}": key for end, key in ends.items() if key}
        result = merged.resolve_job_def("chosen").execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False
        )
        self.results.append(result)
        return result


def day(number: int) -> Window:
    return list(DAYS.windows(START, START.replace(day=28)))[number]
