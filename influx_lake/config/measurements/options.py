"""The options of a measurement in lake.yaml, and `defaults`."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from influx_lake.config.maintenance.options import Maintenance, MaintenanceOptions
from influx_lake.config.measurements.checks import CheckOptions, FreshnessOptions
from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.measurements.guards import GuardOptions
from influx_lake.config.measurements.history import HistoryOptions
from influx_lake.config.measurements.offload import Offloading, Proving
from influx_lake.config.measurements.reconcile import ReconcileOptions, Reconciling
from influx_lake.config.measurements.retention import Retained
from influx_lake.config.measurements.rollups import RollupOptions
from influx_lake.config.measurements.tail import Tailing
from influx_lake.config.measurements.windows_per_run import ChunkOptions
from influx_lake.config.tables.columns import ColumnOptions
from influx_lake.config.tables.file_options import WriteOptions
from influx_lake.config.tables.shared_tables import LayoutOptions
from influx_lake.config.tables.table_layout import PartitionTerms
from influx_lake.config.tables.table_properties import TableProperties
from influx_lake.config.tables.types import TypeOptions
from influx_lake.config.transforms.options import TransformOptions
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.load_engines import LoadEngine
from influx_lake.config.values.read_options import PositiveDuration
from influx_lake.config.values.timestamps import Start, TimeZone
from influx_lake.config.values.units import Duration, YesNo
from influx_lake.config.values.validated_names import Group, Namespace, Owner, TableName, Text
from influx_lake.config.values.windows import Every

FIRST_START = date(2026, 1, 1)
"""The default start of history."""


class SchemaEvolution(StrEnum):
    """How a table may change when the source's columns do."""

    STRICT = "strict"
    ADD_COLUMNS = "add_columns"
    FULL = "full"


class PartitionOptions(BaseModel):
    """How a measurement's time is cut into partitions, each a window that is replaced as a whole."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    every: Every = Field(default=Every.DAY, description="How long a partition is. Weeks start on Monday.")
    start: Start | None = Field(
        default=None,
        description="Where the first partition starts: the oldest time to load. Without a zone it is a time of "
        "`timezone`. `first_point`: where the oldest point of each measurement is; `influx-lake discover` and the "
        "discovery sensor ask the source for it. Default: the partition that holds 2026-01-01.",
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="Whose midnights bound days, weeks and months (an IANA name). Hours are UTC's.",
        examples=["UTC", "Europe/Berlin"],
    )
    split: PositiveDuration | None = Field(
        default=None,
        description="How long the parts are that several processes read and write of a partition too large for one, "
        "for one commit of all of them: shorter than a partition, of which there are at most 1,000 in it. Default: it "
        "is not split.",
        examples=["1h"],
    )


class DefaultOptions(TypeOptions, TransformOptions, GuardOptions, ChunkOptions):
    """What holds for every measurement that does not say otherwise."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    source: Text | None = Field(
        default=None, description="Which of `sources`. Default: the one called `default`, or the only one."
    )
    history: HistoryOptions | None = Field(
        default=None,
        description="Where the windows before a moment come from, instead of `source`: an export, an older server.",
    )
    namespace: Namespace | None = Field(
        default=None,
        description="The Iceberg namespace of the table, parts with dots between. Default: the database's name.",
        examples=["telemetry", "plant.raw"],
    )
    partition: PartitionOptions = Field(default=PartitionOptions(), description="How time is cut into partitions.")
    iceberg_partition: PartitionTerms = Field(
        default=None,
        description="The partition fields of the Iceberg table: a list of columns, identity(col), bucket(n, col), "
        "truncate(w, col), year(time), month(time), day(time) and hour(time); or `none`. A table that exists is "
        "changed to it, and its files stay. `table_default`: a new table has day(time), another stays as it is.",
    )
    layout: LayoutOptions = Field(
        default=LayoutOptions(),
        description="`wide` has a column for each field. `long` has a row for each value: columns time, measurement, "
        "tags (a map), metric_name and metric_value, for all measurements in one table, `all_metrics` unless `table` "
        "names another. `{long: {integers: true, booleans: true, texts: true}}` puts these in columns of their own.",
        examples=["long", {"long": {"integers": True, "texts": True}}],
    )
    engine: LoadEngine | None = Field(
        default=None,
        description="Who loads its windows where their source is files: `own` or `spark`. Default: as the source says.",
    )
    lag: Duration = Field(
        default=timedelta(minutes=10), description="How long after its end a partition is due: time for late points."
    )
    tail: Tailing = Field(
        default=None,
        description="Add the new points of the open window to the table every so often: `{every: 1m}`; `off` waits "
        "until the window has closed.",
        examples=[{"every": "1m", "lag": "10s"}],
    )
    stream: Text | None = Field(
        default=None,
        description="Which of `sources`, of type kafka, also brings its points, within seconds: `influx-lake stream`. "
        "Windows are loaded from `source` once they are over. Default: none, or `source` where that is one.",
    )
    reconcile: Reconciling = Field(
        default=ReconcileOptions(),
        description="Compare what is loaded with the source every so often, and load again what differs: late points, "
        "and with `profile: true` changed ones; `off` does not look.",
        examples=[{"within": "7d", "every": "15m", "profile": True}],
    )
    write: WriteOptions = Field(default=WriteOptions(), description="How rows get into the table, and its files.")
    table_properties: TableProperties = Field(
        default_factory=dict,
        description="Properties of the Iceberg table, set where the table has others. Those that concern the lake's "
        "writer and commits are honoured, those of other engines kept for them, the rest is refused.",
        examples=[{"write.parquet.page-size-bytes": 262144, "history.expire.min-snapshots-to-keep": 5}],
    )
    maintenance: Maintenance = Field(
        default=MaintenanceOptions(),
        description="How the table is kept fast to read, its quarantine too; `off` leaves both alone. When it is done "
        "is said once for the lake, in the section `maintenance`.",
        examples=[{"compact": {"after": "6h"}, "remove_orphans": "off"}],
    )
    schema_evolution: SchemaEvolution = Field(
        default=SchemaEvolution.ADD_COLUMNS,
        description="How the table may change when the source's columns do: `add_columns` adds the new ones, `full` "
        "also widens types (int to long, float to double, a decimal to more digits), `strict` changes nothing and "
        "stops the run.",
    )
    erased: Annotated[tuple[ErasedRows, ...], Distinct()] = Field(
        default=(),
        description="Rows that are never loaded: those that `influx-lake erase` erased, so that they do not come back "
        "with the next load of their window, also into a new table.",
        examples=[[{"where": "host = 'a'"}]],
    )
    retention: Retained = Field(
        default=None,
        description="How long rows are kept, by their time: whole windows that are older are dropped, and not loaded "
        "again; `off` keeps them for ever. Roll-ups keep theirs.",
        examples=[{"keep": "3y"}],
    )
    proof: Proving = Field(
        default=None,
        description="Windows that closed are proved to be the source's, value by value, without anybody asking: "
        "`values`, or options; `off` proves what `influx-lake verify --values` compares.",
        examples=["values", {"every": "1d", "most_windows": 7}],
    )
    offload: Offloading = Field(
        default=None,
        description="Windows that are proved, and old, may be deleted at the source, once somebody approves: "
        "`influx-lake offload`, or the job `offload`. `off` deletes nothing.",
        examples=[{"after": "90d", "keep_tag": "30d"}],
    )
    freshness: FreshnessOptions | None = Field(
        default=None, description="How late it may be. Default: nobody waits for it."
    )
    checks: CheckOptions = Field(default=CheckOptions(), description="What is looked at after it was loaded.")
    rollups: dict[TableName, RollupOptions] = Field(
        default_factory=dict,
        description="Downsampled tables that follow the measurement's, by names of your choice.",
        examples=[{"hourly": {"every": "1h", "functions": ["mean", "max"]}}],
    )
    description: Text | None = Field(
        default=None, description="What the measurement is, in Markdown, for the catalog of assets."
    )
    columns: dict[Text, ColumnOptions] = Field(
        default_factory=dict,
        description="What columns hold, by their names in the table: kept there (`doc`), and shown by Dagster, "
        "`influx-lake docs` and other engines. The table gets it with its next load.",
        examples=[{"usage_idle": {"description": "Time that the core was idle.", "unit": "%"}}],
    )
    owners: Annotated[tuple[Owner, ...], Distinct()] = Field(
        default=(), description="Who answers for it: e-mail addresses or team:name.", examples=[["team:platform"]]
    )
    group: Group | None = Field(default=None, description="The Dagster asset group. Default: the namespace.")
    enabled: YesNo = Field(
        default=True, description="false leaves the measurement out of the lake, also where a pattern matches it."
    )


class MeasurementOptions(DefaultOptions):
    """One measurement, or a pattern (`*`, `?`, `[a-z]`, `/regular expression/`) of measurements."""

    measurement: Text | None = Field(
        default=None,
        description="The measurement's name in InfluxDB, where the key is another name for it: one measurement of two "
        "sources, or a name that holds *, ? or [.",
    )
    table: TableName | None = Field(
        default=None, description="The Iceberg table. Default: the key, with _ for what a table's name cannot hold."
    )
