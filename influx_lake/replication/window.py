"""One window of one measurement, from its source to its table."""

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
from influx_lake.iceberg.streams.meanwhile import StreamedMeanwhile
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
from influx_lake.replication.removed.forgotten import Declares, declared_still
from influx_lake.replication.removed.offloaded import sparing
from influx_lake.replication.splitting.cutting import parts_of
from influx_lake.replication.splitting.helpers import Helpers, NoHelpers
from influx_lake.replication.splitting.split_load import SplitLoad
from influx_lake.replication.streams.sealing import seal_of
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
    """Does the checks that a window has to pass before readers of its table get it."""

    def __call__(self, measurement: Measurement, catalog: Catalog, source: Source, window: Window) -> Sequence[str]:
        """What is wrong with a window, in words; nothing where it passed.

        Args:
            measurement: The measurement.
            catalog: A catalog that has the window in the measurement's table.
            source: The measurement's source.
            window: The window.
        """
        ...


class Distributor(Protocol):
    """Has the rows of windows written by others than the process that commits them."""

    def parts(
        self, measurement: Measurement, schema: MeasurementSchema, context: LoadContext, identities: tuple[str, ...]
    ) -> Callable[[WindowLoad], Sequence[WrittenPart]]:
        """What has a window written; see `WindowLoad.written`.

        Args:
            measurement: The measurement.
            schema: Its columns, as its table gets them.
            context: The load.
            identities: The identities of its sources, its own first, where there are several.
        """
        ...


@dataclass(slots=True)
class MeasurementWindow:
    """A window of a measurement as its source has it, to be loaded as the measurement's `write.mode` says: by default,
    afterwards the table holds exactly the source's rows for it.

    Attributes:
        source: The source of the window.
        catalog: The catalog of its table.
        measurement: The measurement.
        window: The window.
        run_id: Who loads it; kept in the snapshot.
        declared: The identities of the sources that the measurement has, its own first, where there are several.
        schemas: Tells the measurement's columns, where several windows are loaded one after the other; without it the
            source is asked.
        archive: What the source's server has persisted, which tells what was written last.
        on_progress: Told every few seconds how far the window is.
        auditor: Checks the window where `write.publish` is `after_checks`; None for one that is loaded to a branch,
            which readers do not get.
        helpers: Who else writes parts of the window, where `partition.split` has it written in parts.
        distributor: Has its rows written by others; None: they are read and written here.
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
        """The rows, and how they are written.

        Raises:
            LakeError: The source does not tell the measurement's columns.
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
        # What was off-loaded is not there to be read.
        elif measurement.write == self.measurement.write and len(parts_of(measurement, self.window)) > 1:
            self._split = self._split_load(measurement, self._schema, now, FixedSchema(self._declared))
            load = replace(load, written=self._split)
        if measurement.stream and load.written is None and measurement.write.mode is WriteMode.REPLACE:
            load = self._beside_stream(load, measurement.stream)
        if (measurement.tail or measurement.stream) and measurement.write.mode is WriteMode.REPLACE:
            # Of a window that is open, what is complete: rows that a tail or stream adds meanwhile lie after it.
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
        """A part, as if it were a window of its own that is not cut."""
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
        """What loading did, with the columns of the source and the time that it took; tells of rows that are not loaded
        and of those that others left in the window.
        """
        tell_outside(self.source, self.measurement, datetime.now(UTC))
        _tell_others(done, self.measurement, self.window)
        # What readers of the table get differs as before until the branch is published.
        if (told := recorder.recorder()) is not None and branch_of(self.catalog) is None:
            told.loaded(self.measurement.full_name, self.window)
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

    Doing it again, after a crash or from two processes, leaves the same rows. Of a window that has not been closed for
    the measurement's lag, only what lies before now, less the lag, counts as loaded: it stays due.

    Raises:
        LakeError: Of the class that says what can be done about it, naming measurement and window; the table is as it
            was.
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
    """Say that rows of others may be in a window after its load, which left them there."""
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
        run_id: Who does it; kept in the snapshot.
        now: The present.
        declared: The identities of the sources that the measurement has, its own first, where there are several.
        progress: How far it is.
        keeping: Keeps values of the table that are not to be replaced.
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

    # In the other modes no row goes that the source does not replace.
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
