"""`Measurement`: a measurement with all options resolved: source, table, windows, guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from influx_lake.config.maintenance.options import MaintenanceOptions
from influx_lake.config.measurements.checks import CheckOptions, FreshnessOptions
from influx_lake.config.measurements.erased import ErasedRows, wanted_rows
from influx_lake.config.measurements.guards import NO_TOLERANCE, OnChangedValues, OnShrink, Tolerance
from influx_lake.config.measurements.history import History
from influx_lake.config.measurements.offload import OffloadOptions, ProofOptions
from influx_lake.config.measurements.options import SchemaEvolution
from influx_lake.config.measurements.reconcile import ReconcileOptions
from influx_lake.config.measurements.retention import RetentionOptions
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.measurements.run_size import WINDOWS_PER_RUN
from influx_lake.config.measurements.tail import TailOptions
from influx_lake.config.tables.columns import ColumnOptions
from influx_lake.config.tables.file_options import WriteOptions
from influx_lake.config.tables.shared_tables import LongOptions, Share
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.tables.types import OnTypeConflict, TypeOptions
from influx_lake.config.tables.write_modes import WriteMode
from influx_lake.config.transforms.definition import definition_of
from influx_lake.config.transforms.options import OnCastError, TransformOptions
from influx_lake.config.values.load_engines import LoadEngine
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.config.values.windows import Every, Scheme, Window


@dataclass(frozen=True)
class Measurement:
    """One measurement of one database, and its table.

    Attributes:
        key: What it is called in lake.yaml; the measurement's name unless that is given apart.
        name: The measurement's name in InfluxDB.
        source: Which of the lake's sources it comes from.
        database: The source's database.
        history: Where its windows before a moment come from instead.
        namespace: The table's namespace.
        table: The table's own name.
        scheme: How its time is cut into windows.
        lag: How long after its end a window is due.
        engine: Who loads its windows, where their source is files; None: as the source says.
        tail: How often the open window is loaded, its `lag` decided; None: not before it has closed.
        stream: The source that brings its points as they come; None: none does.
        reconcile: How it is compared with its source; None: it is not.
        iceberg_partition: The partition fields of the table; None: a new table's default, or what the table has.
        write: How data files are written.
        table_properties: Properties of the table.
        maintenance: How the table is kept fast to read; None: not at all.
        types: How its columns become columns of the table.
        transforms: How its rows are shaped on their way.
        schema_evolution: How the table may change when the source's columns do.
        on_changed_values: What happens when it holds other values and as many rows; None where the server decides.
        archive: The source that has what its own source's server has persisted, where there is one.
        on_shrink: What happens when the source holds fewer rows for a window than the lake.
        shrink_tolerance: How many rows fewer are no cause for that.
        max_window_rows: How many rows a window may hold at most.
        adopt: Whether a table that belongs to another source, or to nobody, is written to.
        split: How long the parts are that a window is written in; None: it is written at once.
        windows_per_run: How many windows one run loads at most.
        freshness: How late it may be; None when nobody waits for it.
        checks: What is looked at after it was loaded.
        description: What it is, for people.
        columns: What is said of columns of its table.
        owners: Who answers for it.
        tags: Labels to find it by.
        group: The Dagster asset group.
        rollups: The downsampled tables that follow its own.
        asset: What its asset is called in Dagster, where that is not its path.
        erased: Rows that are never loaded, since they were erased for good.
        retention: How long rows are kept; None: for ever.
        proof: How its windows are proved on their own; None: they are not.
        offload: When its windows are deleted at the source; None: never.
        layout: Which values have columns of their own where the table is long; None: it is wide.
        share: The rows that it has of its table, where that may hold several measurements.
    """

    key: str
    name: str
    source: str
    database: str
    namespace: tuple[str, ...]
    table: str
    scheme: Scheme
    lag: timedelta = timedelta(minutes=10)
    history: History | None = None
    engine: LoadEngine | None = None
    tail: TailOptions | None = None
    stream: str | None = None
    reconcile: ReconcileOptions | None = field(default=ReconcileOptions())
    iceberg_partition: tuple[PartitionTerm, ...] | None = None
    write: WriteOptions = field(default=WriteOptions())
    table_properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    maintenance: MaintenanceOptions | None = field(default=MaintenanceOptions())
    types: TypeOptions = field(default=TypeOptions(), hash=False)
    transforms: TransformOptions = field(default=TransformOptions(), hash=False)
    schema_evolution: SchemaEvolution = SchemaEvolution.ADD_COLUMNS
    on_shrink: OnShrink = OnShrink.FAIL
    on_changed_values: OnChangedValues | None = None
    archive: str | None = None
    shrink_tolerance: Tolerance = NO_TOLERANCE
    max_window_rows: int | None = None
    adopt: bool = False
    split: timedelta | None = None
    windows_per_run: int = WINDOWS_PER_RUN[Every.DAY]
    freshness: FreshnessOptions | None = None
    checks: CheckOptions = field(default=CheckOptions(), hash=False)
    description: str | None = None
    columns: Mapping[str, ColumnOptions] = field(default_factory=dict, hash=False)
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    group: str = "default"
    rollups: tuple[Rollup, ...] = ()
    asset: tuple[str, ...] | None = None
    erased: tuple[ErasedRows, ...] = ()
    retention: RetentionOptions | None = None
    proof: ProofOptions | None = None
    offload: OffloadOptions | None = None
    layout: LongOptions | None = None
    share: Share | None = None

    @property
    def identifier(self) -> tuple[str, ...]:
        """The table's full name, in parts."""
        return (*self.namespace, self.table)

    @property
    def table_name(self) -> str:
        """The table's full name: `telemetry.cpu`."""
        return ".".join(self.identifier)

    @property
    def time_column(self) -> str:
        """What the time is called in the table."""
        return self.transforms.rename.get(TIME, TIME)

    @property
    def definition(self) -> str:
        """How its rows are made; see `definition_of`."""
        return definition_of(self.transforms, self.types, self.layout)

    def kept_since(self, now: datetime) -> datetime:
        """Where the first window begins that is loaded, and kept."""
        oldest = self.oldest_kept(now)
        return self.scheme.start if oldest is None else max(self.scheme.start, oldest)

    def oldest_kept(self, now: datetime) -> datetime | None:
        """From when on rows are kept: where a window begins; None where all are."""
        return None if self.retention is None else self.scheme.window_at(now - self.retention.keep).start

    @property
    def wanted_rows(self) -> str | None:
        """The condition for the rows that are stored, or that become those of a long table; None where all are."""
        return wanted_rows(self.transforms.where, () if self.layout else self.erased, self.time_column)

    @property
    def wanted_values(self) -> str | None:
        """The condition for the rows of a long table that are stored; None where all are."""
        return wanted_rows(None, self.erased, self.time_column) if self.layout else None

    @property
    def has_quarantine(self) -> bool:
        """Whether rows that do not fit its table go to another one."""
        return self.quarantines_casts or self.types.on_type_conflict is OnTypeConflict.QUARANTINE

    @property
    def quarantines_casts(self) -> bool:
        """Whether rows go there with values that cannot be cast."""
        return bool(self.types.types) and self.transforms.on_cast_error is OnCastError.QUARANTINE

    @property
    def path(self) -> tuple[str, ...]:
        """What tells it from every other measurement of its lake: its table, and of a shared one its own name too."""
        if self.share is None or self.share.is_alone:
            return self.identifier
        return (*self.identifier, safe_table_name(self.share.value))

    @property
    def full_name(self) -> str:
        """Its path as a name: `telemetry.cpu`, `telemetry.host_metrics.cpu`."""
        return ".".join(self.path)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that its windows come from, its own first."""
        besides = [self.history.source] if self.history else []
        if self.archive is not None and self.on_changed_values is OnChangedValues.ARCHIVE:
            besides.append(self.archive)
        return (self.source, *dict.fromkeys(besides))

    @property
    def is_streamed_only(self) -> bool:
        """Whether a stream alone brings its points: its windows are sealed by what the stream knows."""
        return self.stream is not None and self.stream == self.source

    def source_of(self, window: Window) -> str:
        """The source that a window comes from."""
        return self.history.source if self.history and self.history.holds(window) else self.source

    def replacing_all(self) -> Measurement:
        """The measurement for a load that leaves the source's rows alone in its windows, whatever it says else."""
        write = self.write.model_copy(update={"mode": WriteMode.REPLACE})
        return replace(self, write=write, on_shrink=OnShrink.REPLACE)

    @property
    def tables(self) -> list[tuple[tuple[str, ...], str]]:
        """Every table that it writes to, and what writes there."""
        rollups = [(rollup.identifier, f"the roll-up {rollup.name} of {self.key}") for rollup in self.rollups]
        return [(self.identifier, self.key), *rollups]
