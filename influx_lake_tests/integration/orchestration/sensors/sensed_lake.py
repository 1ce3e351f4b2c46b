"""A lake whose sensors are evaluated, and whose runs are run, as Dagster's daemon does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin

from influx_lake_tests.integration.orchestration.automated_lake import DATABASE, AutomatedLake

CPU = dg.AssetKey([DATABASE, "cpu"])
UPSTREAM = dg.AssetKey(["influxdb", DATABASE, "cpu"])


@dataclass
class SensedLake(AutomatedLake):
    """The lake, with the cursors of its sensors."""

    cursors: dict[str, str | None] = field(default_factory=dict)

    def evaluate(self, sensor: dg.SensorDefinition) -> SensorExecutionData:
        """Tick a sensor; its cursor and its events are kept, its runs are not started."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor.name),
            repository_def=self.repository,
            resources=self.repository.get_top_level_resources(),
            sensor_name=sensor.name,
        ) as context:
            context._code_location_origin = RegisteredCodeLocationOrigin("this")
            data = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = data.cursor or self.cursors.get(sensor.name)
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        return data

    def write_at(self, *moments: datetime, host: str = "late", usage: float = 1.0, measurement: str = "cpu") -> None:
        """Write a point for each time."""
        lines = [f"{measurement},host={host} usage={usage} {int(moment.timestamp() * 10**6)}000" for moment in moments]
        self.box.write(DATABASE, "\n".join(lines))

    def load(self, first: str, last: str | None = None) -> None:
        """Materialise a partition of cpu, or those of a range in one run."""
        if last is None:
            request = dg.RunRequest(partition_key=first, asset_selection=[CPU], tags={"dagster/partition": first})
        else:
            bounds = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
            request = dg.RunRequest(asset_selection=[CPU], tags=bounds)
        assert self.run(request).success

    def run_all(self, requests: Sequence[dg.RunRequest] | None) -> None:
        """Run what was asked for."""
        for request in requests or ():
            assert self.run(request).success

    def run_job(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Run a request for a job that is not of assets."""
        assert request.job_name is not None
        return self.repository.get_job(request.job_name).execute_in_process(
            instance=self.instance, run_config=request.run_config, tags=dict(request.tags), raise_on_error=False
        )

    def observations(self, key: dg.AssetKey = UPSTREAM) -> list[tuple[str | None, dict[str, Any]]]:
        """What was observed of an asset, newest first: its partition and what is said."""
        found = self.instance.fetch_observations(key, limit=100).records
        observed = [record.asset_observation for record in found]
        return [
            (each.partition, {name: value.value for name, value in each.metadata.items()}) for each in observed if each
        ]

    def rows(self, name: str = "cpu") -> int:
        """How many rows a table holds."""
        from influx_lake.iceberg.catalogs.opening import open_catalog

        catalog = open_catalog("lake", self.lake.catalog.properties())
        return int(catalog.load_table((DATABASE, name)).scan().to_arrow().num_rows)
