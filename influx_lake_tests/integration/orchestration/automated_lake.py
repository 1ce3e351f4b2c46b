"""A lake on a sandbox, run the way Dagster's daemon does: ticks give requests, requests become runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from influx_lake.config import Lake, Measurement, lake_of
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox

DATABASE = "telemetry"
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class AutomatedLake:
    """The lake, its Dagster instance and its source.

    Attributes:
        box: The source.
        folder: Holds the tables.
        instance: Dagster's.
        options: More sections of the lake.yaml.
    """

    box: Sandbox
    folder: Path
    instance: dg.DagsterInstance
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def lake(self) -> Lake:
        token = self.folder / "token"
        token.write_text(str(self.box.token))
        sections = {
            "sources": {
                "default": {
                    "host": self.box.url,
                    "database": DATABASE,
                    "token": f"${{file:{token}}}",
                    "retry": {"budget": "1s"},
                }
            },
            "catalog": {"type": "sql", "uri": f"sqlite:///{self.folder}/c.db", "warehouse": f"{self.folder}/w"},
            "measurements": {"cpu": {}, "mem": {}},
            **self.options,
        }
        return lake_of(sections, self.folder / "lake.yaml")

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.lake)

    @cached_property
    def repository(self) -> dg.RepositoryDefinition:
        return self.definitions.get_repository_def()

    def write(self, *days: int, measurements: Sequence[str] = ("cpu", "mem")) -> None:
        """Write a point of two hosts at noon of some days of January."""
        lines = [
            f"{name},host=h{host} usage={day}.5 {int((START + (day - 1) * DAY + DAY / 2).timestamp()) * 10**9 + host}"
            for day in days
            for name in measurements
            for host in range(2)
        ]
        self.box.write(DATABASE, "\n".join(lines))

    def tick(self, now: datetime, name: str = "load_day_schedule") -> list[dg.RunRequest]:
        """What the schedule asks for at a time."""
        schedule = self.repository.get_schedule_def(name)
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=now,
            repository_def=self.repository,
            resources=self.repository.get_top_level_resources(),
        ) as context:
            return list(schedule.evaluate_tick(context).run_requests or ())

    def run(self, request: dg.RunRequest, job: str = "load_day") -> dg.ExecuteInProcessResult:
        """Run what was asked for, to its end."""
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection or ()),
            partition_key=request.partition_key,
            tags=dict(request.tags),
            raise_on_error=False,
        )

    def measurement(self, name: str = "cpu") -> Measurement:
        return self.lake.find(name)

    def coverage(self, name: str = "cpu") -> str:
        """What the table of a measurement says it holds."""
        table = find_table(open_catalog("lake", self.lake.catalog.properties()), self.measurement(name).identifier)
        return str(table_state(table).coverage) if table else ""


def asked(requests: Sequence[dg.RunRequest]) -> list[tuple[str, str, str]]:
    """Each request's reason, measurements and window."""
    return [
        (
            request.tags["influx_lake/reason"],
            request.tags.get("influx_lake/measurement") or request.tags["influx_lake/measurements"],
            "/".join(moment[5:10] for moment in request.tags["influx_lake/window"].split("/")),
        )
        for request in requests
    ]
