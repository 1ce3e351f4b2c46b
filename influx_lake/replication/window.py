"""Loads one window of a measurement from its source to its table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from influx_lake import recorder
from influx_lake.config import Measurement, Publish, WriteMode
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import naming
from influx_lake.iceberg.history.branch_catalog import branch_of
from influx_lake.iceberg.load.ensure import check_table
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.streams.concurrent_additions import StreamedMeanwhile
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import Provenance
from influx_lake.iceberg.window_load import Progress, ProgressMeter, Unguarded, WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.iceberg.window_rows import Rows
from influx_lake.replication.foreign_changes import replacing, told_of
from influx_lake.replication.guards import LimitedRows, ShrinkGuard
from influx_lake.replication.loading import load_rows, restart_on_interruption
from influx_lake.replication.outside import tell_outside
from influx_lake.replication.recent_schema import FixedSchema
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.removed.offloaded import sparing
from influx_lake.replication.removed.offloaded_measurement import Declares, declared_still
from influx_lake.replication.splitting.helpers import Helpers, NoHelpers
from influx_lake.replication.splitting.part_bounds import parts_of
from influx_lake.replication.splitting.split_load import SplitLoad
from influx_lake.replication.streams.seal import seal_of
from influx_lake.replication.table_columns import table_target
from influx_lake.replication.trusted_source import trusted_source
from influx_lake.sources.messages.source import TopicSource
from influx_lake.sources.protocol import RowStream, Source
from influx_lake.transforms import LoadContext, declared_columns, transformed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.parts.written_part import WrittenPart

log = logging.getLogger("influx_lake.replication")


class Auditor(Protocol):
    """Runs the checks that a window has to pass before it is published."""

    def __call__(self, measurement: Measurement, catalog: Catalog, source: Source, window: Window) -> Sequence[str]:
        """The failures of a window, in words; none where it passed.

        Args:
            measurement: The measurement.
            catalog: A catalog in which the measurement's table has the window.
            source: The measurement's source.
            window: The window.
        """
        ...


class Distributor(Protocol):
    """Has other processes write the rows of windows for the process that commits them."""

    def parts(
        self, measurement: Measurement, schema: MeasurementSchema, context: LoadContext, identities: tuple[str, ...]
    ) -> Callable[[WindowLoad], Sequence[WrittenPart]]:
        """The writer of a window's parts; see `WindowLoad.written`.

        Args:
            measurement: The measurement.
            schema: The columns of its table.
            context: The load.
            identities: The identities of its sources, its main one first, where it has several.
        """
        ...


@dataclass(slots=True)
class MeasurementWindow:
    """A window of a measurement in its source, to be loaded by the measurement's `write.mode`: by default, the table
    then holds exactly the source's rows for it.

    Attributes:
        source: The source of the window.
        catalog: The catalog of its table.
        measurement: The measurement.
        window: The window.
        run_id: The run, recorded in the snapshot.
        declared: The identities of the measurement's sources, its main one first, where it has several.
        schemas: Returns the measurement's columns, where several windows are loaded one after the other; None: the
            source is asked.
        archive: The archive of the source, which has the values written last.
        on_progress: Called every few seconds with the progress.
        auditor: Checks the window where `write.publish` is `after_checks`; None for a load to a branch, which readers
            do not see.
        helpers: The other processes that write parts of the window, where `partition.split` splits it.
        distributor: Has other processes write its rows; None: this process reads and writes them.
    """

    source: Source
    catalog: Catalog
    measurement: Measurement
    window: Window
    run_id: str
    declared: Sequence[str] = ()
    schemas: Declares | None = None
    archive: Source | None = None
    on_progress: Callable[[Progress], None] | None = None
    auditor: Auditor | None = None
    helpers: Helpers = field(default_factory=NoHelpers)
    distributor: Distributor | None = None
    _progress: ProgressMeter = field(default_factory=ProgressMeter)
    _schema: MeasurementSchema | None = None
    _declared: MeasurementSchema | None = None
    _split: SplitLoad | None = None

    @property
    def subject(self) -> str:
        """The measurement."""
        return self.measurement.name

    def load(self) -> WindowLoad:
        """The load: rows and write options.

        Raises:
            LakeError: The source or the table cannot be read.
        """
        if isinstance(self.source, TopicSource):
            return self._seal(self.source)
        table = find_table(self.catalog, self.measurement.identifier, self.measurement.share)
        measurement = sparing(without_erased_from(self.measurement, table), table, self.window)
        self._progress = ProgressMeter(self.on_progress)
        now = datetime.now(UTC)
        context = LoadContext(self.run_id, now)
        source = transformed(self.source, measurement, context, self.schemas.schema if self.schemas else None)
        archive = self.archive and transformed(self.archive, measurement, context)
        trusted = trusted_source(source, self.catalog, measurement, self.window, archive)
        asked = self.schemas if self.schemas and trusted.source is self.source else trusted.source
        origin, self._schema = declared_still(trusted.source, asked, measurement, table, [self.window])
        self._declared = declared_columns(source, self._schema)
        load = load_of(
            origin,
            self.catalog,
            measurement,
            self._schema,
            self.window,
            run_id=self.run_id,
            now=now,
            declared=self.declared,
            progress=self._progress,
            keeping=trusted.keeping,
        )
        load = replace(load, audit=self._audit())
        self._split = None
        if self.distributor is not None and origin is source and trusted.corrected is None:
            written = self.distributor.parts(measurement, self._schema, context, tuple(self.declared))
            load = replace(load, written=written)
        # Off-loaded windows are not split, since the source no longer has their rows.
        elif measurement.write == self.measurement.write and len(parts_of(measurement, self.window)) > 1:
            self._split = self._split_load(measurement, self._schema, now, FixedSchema(self._declared))
            load = replace(load, written=self._split)
        if measurement.stream and load.written is None and measurement.write.mode is WriteMode.REPLACE:
            load = self._beside_stream(load, measurement.stream)
        if (measurement.tail or measurement.stream) and measurement.write.mode is WriteMode.REPLACE:
            # Only the complete part of an open window: a tail or stream may add rows after it meanwhile.
            return replace(load, window=load.complete or load.window)
        return load

    def _beside_stream(self, load: WindowLoad, stream: str) -> WindowLoad:
        """The load of a window to which a stream may add points while it is read: then it is read again."""
        streamed = StreamedMeanwhile(stream, self.window)

        @contextmanager
        def read(part: Window) -> Iterator[Rows]:
            streamed.begin(find_table(self.catalog, self.measurement.identifier, self.measurement.share))
            with load.read(part) as rows:
                yield rows

        return replace(load, read=read, streamed=streamed)

    def _seal(self, source: TopicSource) -> WindowLoad:
        self._progress, self._split = ProgressMeter(self.on_progress), None
        return seal_of(
            source.config,
            self.catalog,
            self.measurement,
            self.window,
            run_id=self.run_id,
            now=datetime.now(UTC),
            progress=self._progress,
        )

    def write_part(self, part: Window, *, with_nanoseconds: bool) -> None:
        """Write a part of the window for the process that commits it.

        Raises:
            LakeError: It could not be written.
        """
        alone = self._part(part)
        load = alone.load()
        assert alone._schema is not None
        assert alone._declared is not None
        split = self._split_load(alone.measurement, alone._schema, datetime.now(UTC), FixedSchema(alone._declared))

        def write(load: WindowLoad) -> None:
            split.write(part, with_nanoseconds=with_nanoseconds or load.target.with_nanoseconds)

        with naming(self.subject, part):
            restart_on_interruption(load, write)

    def _split_load(
        self, measurement: Measurement, schema: MeasurementSchema, now: datetime, declared: Declares
    ) -> SplitLoad:
        return SplitLoad(
            self.source,
            self.catalog,
            measurement,
            self.window,
            schema,
            lambda part: self._part(part, declared).load(),
            self.helpers,
            now,
        )

    def _part(self, part: Window, declared: Declares | None = None) -> MeasurementWindow:
        """A part, as a window of its own that is not split."""
        return MeasurementWindow(
            self.source,
            self.catalog,
            replace(self.measurement, split=None),
            part,
            self.run_id,
            self.declared,
            declared or self.schemas,
            self.archive,
            self.on_progress,
        )

    def _audit(self) -> Callable[[Catalog], Sequence[str]] | None:
        auditor = self.auditor
        if auditor is None or self.measurement.write.publish is not Publish.AFTER_CHECKS:
            return None
        return lambda catalog: auditor(self.measurement, catalog, self.source, self.window)

    def loaded(self, done: WindowResult) -> WindowResult:
        """The result of the load, with the source's columns and the duration. Warns of points outside of partitions,
        and of foreign rows left in the window.
        """
        tell_outside(self.source, self.measurement, datetime.now(UTC))
        _tell_others(done, self.measurement, self.window)
        # On a branch, the window that readers see is unchanged until it is published.
        if (present := recorder.recorder()) is not None and branch_of(self.catalog) is None:
            present.loaded(self.measurement.full_name, self.window)
        if self._split is not None:
            self._split.forget()
            done = replace(done, read_from=self._split.read_from)
        progress = self._progress
        return replace(
            done,
            window=self.window,
            schema=self._schema,
            declared=self._declared,
            seconds=progress.seconds,
            read_seconds=progress.read_seconds,
        )


def replicate_window(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    window: Window,
    *,
    run_id: str,
    declared: Sequence[str] = (),
    schemas: Declares | None = None,
    archive: Source | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    auditor: Auditor | None = None,
) -> WindowResult:
    """Load one window of a measurement; the arguments are those of `MeasurementWindow`.

    Repeating it, after a crash or from two processes, leaves the same rows. Of a window that closed less than the
    measurement's lag ago, only the part before now, less the lag, counts as loaded: the window stays due.

    Raises:
        LakeError: The table is unchanged; the error names measurement and window, and its class tells what can be done.
    """
    return load_rows(
        MeasurementWindow(
            source,
            catalog,
            measurement,
            window,
            run_id,
            declared,
            schemas,
            archive,
            on_progress,
            auditor,
        )
    )


def _tell_others(done: WindowResult, measurement: Measurement, window: Window) -> None:
    """Warn of foreign rows that a load left in its window."""
    others = table_state(done.table).others_in(window)
    if others is not None:
        log.warning(
            "%s: others added rows to %s, and this load left them there: %s. To have the source's rows alone: %s",
            measurement.table_name,
            window,
            told_of(others),
            replacing(measurement, window.start, window.end),
        )


def load_of(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    schema: MeasurementSchema,
    window: Window,
    *,
    run_id: str,
    now: datetime,
    declared: Sequence[str] = (),
    progress: ProgressMeter | None = None,
    keeping: Callable[[RowStream], RowStream] = lambda rows: rows,
) -> WindowLoad:
    """The load of a window of a measurement.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement.
        schema: Its columns, as the source has them now.
        window: The window.
        run_id: The run, recorded in the snapshot.
        now: The present.
        declared: The identities of the measurement's sources, its main one first, where it has several.
        progress: The progress of the load.
        keeping: Replaces reverted values in the source's rows by those of the table.
    """
    progress = progress or ProgressMeter()
    target = replace(table_target(measurement, schema), erased=measurement.erased)
    provenance = Provenance(source.identity, run_id, measurement.adopt, tuple(declared))
    names = [column.name for column in schema.columns]

    @contextmanager
    def read(part: Window) -> Iterator[Rows]:
        check_table(catalog, target, names, provenance)
        with ExitStack() as opened:
            with progress.reading():
                stream = opened.enter_context(source.read(schema, part))
            yield LimitedRows(keeping(stream), measurement)

    # The other modes remove no row that the source does not replace.
    guarded = measurement.write.mode is WriteMode.REPLACE
    return WindowLoad(
        catalog=catalog,
        target=target,
        provenance=provenance,
        window=window,
        read=read,
        complete_until=now - measurement.lag,
        guard=ShrinkGuard(catalog, measurement) if guarded else Unguarded(),
        progress=progress,
    )
