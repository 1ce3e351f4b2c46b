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
from influx_lake.config.measurements.tail import TailOptions
from influx_lake.config.measurements.windows_per_run import WINDOWS_PER_RUN
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
        key: Its key in lake.yaml; the measurement's name unless that is given separately.
        name: The measurement's name in InfluxDB.
        source: The name of its source.
        database: The source's database.
        history: Another source for the windows before a point in time, if any.
        namespace: The table's namespace.
        table: The table's own name.
        scheme: How its time is divided into windows.
        lag: How long after its end a window is due.
        engine: The engine that loads its windows, where their source is files; None: as the source says.
        tail: The option `tail`, with its lag resolved; None: off.
        stream: The source that brings its points as they come; None: none does.
        reconcile: The option `reconcile`; None: off.
        iceberg_partition: The partition fields of the table; None: a new table's default, or what the table has.
        write: The options of data files.
        table_properties: Properties of the table.
        maintenance: The maintenance options; None: off.
        types: How columns map to the table's.
        transforms: How rows are shaped.
        schema_evolution: How the table may change when the source's columns change.
        on_changed_values: The action where values differ and row counts do not; None: the default for the server.
        archive: The archive of its source, where the lake has one.
        on_shrink: The action where the source has fewer rows of a window than the lake.
        shrink_tolerance: How many rows may be missing before that applies.
        max_window_rows: The most rows of a window.
        adopt: Whether a table of another owner, or none, is written to.
        split: How long the parts are that a window is written in; None: it is written at once.
        resumes: Whether a load of such a window takes up the parts that a failed run wrote.
        windows_per_run: The most windows of one run.
        freshness: How late it may be; None: not checked.
        checks: The options of checks.
        description: Its description.
        columns: Descriptions and units of columns.
        owners: Its owners.
        tags: Labels in Dagster.
        group: The Dagster asset group.
        rollups: The downsampled tables that follow its own.
        asset: The key of its Dagster asset, where that differs from its path.
        erased: Rows that were erased, and are not loaded.
        retention: How long rows are kept; None: for ever.
        proof: The option `proof`; None: windows are proved on request only.
        offload: The option `offload`; None: nothing is deleted at the source.
        layout: The options of a long table; None: the table is wide.
        share: The share of its table that it has, where that may hold several measurements.
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
    resumes: bool = True
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
        """The table's identifier, in parts."""
        return (*self.namespace, self.table)

    @property
    def table_name(self) -> str:
        """The table's full name: `telemetry.cpu`."""
        return ".".join(self.identifier)

    @property
    def time_column(self) -> str:
        """The name of the time column in the table."""
        return self.transforms.rename.get(TIME, TIME)

    @property
    def definition(self) -> str:
        """The definition of its rows; see `definition_of`."""
        return definition_of(self.transforms, self.types, self.layout)

    def kept_since(self, now: datetime) -> datetime:
        """The start of the first window that is loaded and kept."""
        oldest = self.oldest_kept(now)
        return self.scheme.start if oldest is None else max(self.scheme.start, oldest)

    def oldest_kept(self, now: datetime) -> datetime | None:
        """The start of the oldest window within the retention; None: all are."""
        return None if self.retention is None else self.scheme.window_at(now - self.retention.keep).start

    @property
    def wanted_rows(self) -> str | None:
        """The SQL condition of the rows to store, before they become those of a long table; None: all."""
        return wanted_rows(self.transforms.where, () if self.layout else self.erased, self.time_column)

    @property
    def wanted_values(self) -> str | None:
        """The SQL condition of the rows of a long table to store; None: all."""
        return wanted_rows(None, self.erased, self.time_column) if self.layout else None

    @property
    def has_quarantine(self) -> bool:
        """Whether rows that do not fit its table go to a quarantine."""
        return self.quarantines_casts or self.types.on_type_conflict is OnTypeConflict.QUARANTINE

    @property
    def quarantines_casts(self) -> bool:
        """Whether rows with values that cannot be cast go there."""
        return bool(self.types.types) and self.transforms.on_cast_error is OnCastError.QUARANTINE

    @property
    def path(self) -> tuple[str, ...]:
        """Its unique identity in a lake: its table, and for a shared one its own name too."""
        if self.share is None or self.share.is_alone:
            return self.identifier
        return (*self.identifier, safe_table_name(self.share.value))

    @property
    def full_name(self) -> str:
        """Its path as a name: `telemetry.cpu`, `telemetry.host_metrics.cpu`."""
        return ".".join(self.path)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of its windows, its main one first."""
        besides = [self.history.source] if self.history else []
        if self.archive is not None and self.on_changed_values is OnChangedValues.ARCHIVE:
            besides.append(self.archive)
        return (self.source, *dict.fromkeys(besides))

    @property
    def is_streamed_only(self) -> bool:
        """Whether a stream alone brings its points: its windows are sealed by what the stream knows."""
        return self.stream is not None and self.stream == self.source

    def source_of(self, window: Window) -> str:
        """The source of a window."""
        return self.history.source if self.history and self.history.holds(window) else self.source

    def called(self, key: str, name: str, table: str, share: Share | None) -> Measurement:
        """Another measurement of the same options, without roll-ups.

        A lake has thousands that one pattern stands for: `replace` takes ten times as long.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, key=key, name=name, table=table, share=share, rollups=())
        return other

    def replacing_all(self) -> Measurement:
        """The measurement for a load that replaces its windows by the source's rows, whatever its options."""
        write = self.write.model_copy(update={"mode": WriteMode.REPLACE})
        return replace(self, write=write, on_shrink=OnShrink.REPLACE, resumes=False)

    @property
    def tables(self) -> list[tuple[tuple[str, ...], str]]:
        """Every table that it writes to, with the writer: itself or a roll-up."""
        rollups = [(rollup.identifier, f"the roll-up {rollup.name} of {self.key}") for rollup in self.rollups]
        return [(self.identifier, self.key), *rollups]
