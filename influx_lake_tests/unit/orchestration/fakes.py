"""A source in memory, and a lake that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
from dagster._core.execution.plan.objects import UserFailureData

from influx_lake.config import Measurement
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Every, Scheme, Window
from influx_lake.orchestration.assets.measurement_assets import AssetOptions, measurement_asset
from influx_lake.orchestration.assets.rollup_assets import rollup_asset
from influx_lake.orchestration.execution.io_manager import IcebergIOManager
from influx_lake.orchestration.keys import IO_MANAGER_KEY
from influx_lake.orchestration.partitions import partitions_for
from influx_lake.orchestration.resources import CATALOG_KEY, IcebergCatalogResource
from influx_lake.sources.protocol import ServerInfo

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (
    Column("time", Role.TIME, ColumnType.TIME),
    Column("host", Role.TAG, ColumnType.STRING),
    Column("usage", Role.FIELD, ColumnType.FLOAT),
)
ARROW = pa.schema([("time", pa.timestamp("ns")), ("host", pa.string()), ("usage", pa.float64())])


def cpu(every: Every = Every.DAY, name: str = "cpu") -> Measurement:
    return Measurement(
        key=name,
        name=name,
        source="default",
        database="telemetry",
        namespace=("telemetry",),
        table=name,
        scheme=Scheme(every, START),
    )


@dataclass
class FakeSource:
    """Holds points of one measurement: (time, host, usage).

    Attributes:
        points: The points.
        failing: Raised instead of an answer, for windows that it says so of.
    """

    points: list[tuple[datetime, str, float]] = field(default_factory=list)
    failing: Callable[[Window], Exception | None] = lambda window: None
    closed: int = 0

    identity = "fake://telemetry"

    @contextmanager
    def open(self) -> Iterator[FakeSource]:
        try:
            yield self
        finally:
            self.closed += 1

    def server(self) -> ServerInfo:
        return ServerInfo("fake", "1")

    def measurements(self) -> list[str]:
        return ["cpu"]

    def schema(self, measurement: str) -> MeasurementSchema:
        return MeasurementSchema(measurement, COLUMNS)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[pa.RecordBatchReader]:
        if (error := self.failing(window)) is not None:
            raise error
        inside = [point for point in self.points if window.start <= point[0] < window.end]
        yield pa.RecordBatchReader.from_batches(ARROW, [batch_of(inside)] if inside else [])

    def count(self, measurement: str, window: Window) -> int:
        return sum(window.start <= point[0] < window.end for point in self.points)

    def close(self) -> None:
        self.closed += 1


def batch_of(points: Sequence[tuple[datetime, str, float]]) -> pa.RecordBatch:
    times, hosts, usages = zip(*points, strict=True)
    naive = [moment.replace(tzinfo=None) for moment in times]
    return pa.record_batch([pa.array(naive, pa.timestamp("ns")), pa.array(hosts), pa.array(usages)], schema=ARROW)


def hourly_points(days: int, per_hour: int = 2) -> list[tuple[datetime, str, float]]:
    """`per_hour` points of two hosts in every hour."""
    steps = [timedelta(hours=hour, minutes=minute) for hour in range(24 * days) for minute in range(per_hour)]
    return [(START + step, f"host{index % 2}", float(index)) for index, step in enumerate(steps)]


@dataclass
class Lake:
    """Runs assets on a catalog of their own."""

    catalog: IcebergCatalogResource
    instance: dg.DagsterInstance
    source: FakeSource = field(default_factory=FakeSource)

    def cpu(self, every: Every = Every.DAY) -> dg.AssetsDefinition:
        """The asset of the measurement cpu."""
        measurement = cpu(every)
        upstream = dg.AssetSpec(["influxdb", "telemetry", "cpu"], partitions_def=partitions_for(measurement.scheme))
        return measurement_asset(measurement, AssetOptions({(measurement.source, measurement.name): upstream}))

    def rolling(self, *rollups: Rollup) -> tuple[dg.AssetsDefinition, ...]:
        """The asset of cpu, and those of its roll-ups."""
        measurement = replace(cpu(), rollups=rollups)
        return self.cpu(), *(rollup_asset(measurement, each) for each in rollups)

    def run(
        self,
        *assets: dg.AssetsDefinition,
        key: str | None = None,
        keys: tuple[str, str] | None = None,
        everything: bool = False,
        selection: dg.AssetSelection | None = None,
    ) -> Run:
        """Materialise the last asset, or all of them: one partition, or all from the first key to the last."""
        chosen = dg.AssetSelection.assets(*(assets if everything else assets[-1:])).without_checks()
        tags = {
            f"dagster/asset_partition_range_{end}": key for end, key in zip(("start", "end"), keys or (), strict=False)
        }
        result = dg.materialize(
            assets,
            selection=selection or chosen,
            partition_key=key,
            tags=tags,
            instance=self.instance,
            raise_on_error=False,
            resources={
                CATALOG_KEY: self.catalog,
                IO_MANAGER_KEY: IcebergIOManager(catalog=self.catalog),
                "influxdb_default": dg.ResourceDefinition.hardcoded_resource(self.source),
                "influxdb_archive": dg.ResourceDefinition.hardcoded_resource(self.source),
            },
        )
        return Run(result, self.instance)

    def rows(self, *identifier: str) -> list[dict[str, object]]:
        """Every row of a table."""
        table = self.catalog.open().load_table(identifier)
        return table.scan().to_arrow().sort_by("time").to_pylist()


@dataclass
class Run:
    """A run that has ended."""

    result: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def partitions(self) -> dict[str | None, dict[str, object]]:
        """The metadata of each materialised partition."""
        events = self.result.get_asset_materialization_events()
        materialized = [event.step_materialization_data.materialization for event in events]
        return {each.partition: {key: value.value for key, value in each.metadata.items()} for each in materialized}

    @property
    def failure(self) -> UserFailureData:
        """What the failed step says."""
        [event] = [event for event in self.result.all_events if event.is_step_failure]
        assert event.step_failure_data.user_failure_data is not None, event.step_failure_data.error
        return event.step_failure_data.user_failure_data

    @property
    def event_log(self) -> str:
        """Everything that Dagster stored of the run, as it stored it."""
        return "\n".join(dg.serialize_value(entry) for entry in self.instance.all_logs(self.result.run_id))
