"""Builds the lineage events of a load: START, RUNNING, COMPLETE, FAIL, ABORT."""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    error_message_run,
    job_type_job,
    nominal_time_run,
    parent_run,
    processing_engine_run,
)

from influx_lake.config import Measurement
from influx_lake.config.redaction import redact
from influx_lake.config.values.windows import utc_text
from influx_lake.errors import LakeError
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.lineage import datasets
from influx_lake.replication.observing import Work
from influx_lake.replication.tail import TailWindow
from influx_lake.replication.window import MeasurementWindow
from influx_lake.rollups.window import RollupWindow

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from influx_lake.lineage.delivery import Delivery

PRODUCER = f"urn:influx-lake:{version('influx-lake')}"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_Load = MeasurementWindow | TailWindow | RollupWindow
T = TypeVar("T")

log = logging.getLogger("influx_lake.lineage")


@dataclass(slots=True)
class Begun:
    """A load under way.

    Attributes:
        work: The load.
        run_id: The run's UUID in OpenLineage.
        began: The start time.
        inputs: The input data sets, as known at the start.
        outputs: The output data sets, as known at the start.
    """

    work: _Load
    run_id: str
    began: datetime
    inputs: list[InputDataset] = field(default_factory=list)
    outputs: list[OutputDataset] = field(default_factory=list)


@dataclass(slots=True)
class LoadLineage:
    """Emits the events of a lake's loads. Its failures are reported and never fail a load.

    Attributes:
        namespace: The namespace of the jobs.
        parent: The name of the parent job: a command, or a Dagster job.
        delivery: Sends the events.
    """

    namespace: str
    parent: str
    delivery: Delivery
    _begun: dict[int, Begun] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begun(self, work: Work) -> None:
        """Emit START."""
        if isinstance(work, _Load):
            begun = Begun(work, str(uuid.uuid4()), datetime.now(UTC))
            self._emit(begun, RunState.START)
            with self._lock:
                self._begun[id(work)] = begun

    def loaded(self, work: Work, results: Sequence[WindowResult]) -> None:
        """Emit COMPLETE."""
        self._end(work, RunState.COMPLETE, results)

    def failed(self, work: Work, error: BaseException) -> None:
        """Emit FAIL, or ABORT for an interruption."""
        self._end(work, RunState.FAIL if isinstance(error, Exception) else RunState.ABORT, error=error)

    def report_running(self, since: datetime) -> None:
        """Emit RUNNING for loads under way.

        Args:
            since: Only those that began before.
        """
        # No events after the end of a load.
        with self._lock:
            for begun in self._begun.values():
                if begun.began < since:
                    self._send(partial(self._event, begun, RunState.RUNNING, begun.inputs, begun.outputs, None))

    def _end(
        self, work: Work, state: RunState, results: Sequence[WindowResult] = (), error: BaseException | None = None
    ) -> None:
        with self._lock:
            begun = self._begun.pop(id(work), None)
        if begun is not None:
            self._emit(begun, state, results, error)

    def _emit(
        self, begun: Begun, state: RunState, results: Sequence[WindowResult] = (), error: BaseException | None = None
    ) -> None:
        self._send(lambda: self._made(begun, state, results, error))

    def _send(self, made: Callable[[], RunEvent]) -> None:
        try:
            self.delivery.send(made())
        except Exception as problem:
            self.delivery.lose(f"it could not be made: {type(problem).__name__}: {problem}")

    def _made(
        self, begun: Begun, state: RunState, results: Sequence[WindowResult], error: BaseException | None
    ) -> RunEvent:
        work = begun.work
        # The final event is sent even where the catalog is down, with what was known at the start.
        if isinstance(work, RollupWindow):
            inputs = _or_fallback(lambda: _rollup_inputs(work, results), begun.inputs)
            outputs = _or_fallback(lambda: _rollup_outputs(work, results), begun.outputs)
        else:
            inputs = _or_fallback(lambda: _source_inputs(work, results), begun.inputs)
            outputs = _or_fallback(lambda: _source_outputs(work, results), begun.outputs)
        if state is RunState.START:
            begun.inputs, begun.outputs = inputs, outputs
        return self._event(begun, state, inputs, outputs, error)

    def _event(
        self,
        begun: Begun,
        state: RunState,
        inputs: list[InputDataset],
        outputs: list[OutputDataset],
        error: BaseException | None,
    ) -> RunEvent:
        work = begun.work
        kind = job_type_job.JobTypeJobFacet("BATCH", "INFLUX_LAKE", _kind(work))
        event = RunEvent(
            eventTime=(begun.began if state is RunState.START else datetime.now(UTC)).isoformat(),
            producer=PRODUCER,
            run=Run(begun.run_id, self._run_facets(work, error)),
            job=Job(
                self.namespace,
                job_name(work),
                {"jobType": kind},
            ),
            eventType=state,
            inputs=inputs,
            outputs=outputs,
        )
        return _signed(event)

    def _run_facets(self, work: _Load, error: BaseException | None) -> dict[str, Any]:
        facets: dict[str, Any] = {
            "nominalTime": nominal_time_run.NominalTimeRunFacet(utc_text(work.window.start), utc_text(work.window.end)),
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version("influx-lake"), "influx-lake", version("openlineage-python")
            ),
        }
        run, job = parent_run.Run(_run_id(work.run_id)), parent_run.Job(self.namespace, self.parent)
        facets["parent"] = parent_run.ParentRunFacet(run, job)
        if error is not None:
            message = str(error) if isinstance(error, LakeError) else f"{type(error).__name__}: {error}"
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(redact(message), "python")
        return facets


def _or_fallback(made: Callable[[], T], otherwise: T) -> T:
    """The data sets of an event; a fallback where describing them fails, so that the event is not lost."""
    try:
        return made()
    except Exception as problem:
        log.warning("a lineage event tells less than it could: %s: %s", type(problem).__name__, redact(str(problem)))
        return otherwise


def _source_inputs(work: MeasurementWindow | TailWindow, results: Sequence[WindowResult]) -> list[InputDataset]:
    read = sum(each.rows + each.quarantined_rows for each in results)
    if isinstance(work, TailWindow):
        read -= sum(each.previous_rows for each in results)
    # The source is not asked, since the load would wait for it.
    schema = next((each.declared for each in reversed(results) if each.declared), None)
    source = datasets.source_name(work.source.identity, work.measurement.name)
    return [datasets.input_of(source, schema, max(0, read) if results else None)]


def _source_outputs(work: MeasurementWindow | TailWindow, results: Sequence[WindowResult]) -> list[OutputDataset]:
    measurement = work.measurement
    source = datasets.source_name(work.source.identity, measurement.name)
    made_of = {name: columns for each in results for name, columns in each.sources.items()}
    lineage = datasets.column_lineage(made_of, source, _transformations(measurement, results))
    return _outputs(work.catalog, measurement.identifier, results, lineage)


def _rollup_inputs(work: RollupWindow, results: Sequence[WindowResult]) -> list[InputDataset]:
    table = find_table(work.catalog, work.measurement.identifier)
    return [] if table is None else [datasets.table_input(table, work.points if results else None)]


def _rollup_outputs(work: RollupWindow, results: Sequence[WindowResult]) -> list[OutputDataset]:
    measurement, rollup = work.measurement, work.rollup
    table = _or_fallback(lambda: find_table(work.catalog, measurement.identifier), None) if results else None
    lineage: datasets.Facets = {}
    if table is not None:
        how = {name: ("AGGREGATION", "") for name, columns in work.lineage.items() if tuple(columns) != (name,)}
        how[measurement.time_column] = "TRANSFORMATION", f"start of the bucket of {rollup.bucket}"
        lineage = datasets.column_lineage(work.lineage, datasets.table_name(table.location()), how)
    return _outputs(work.catalog, rollup.identifier, results, lineage)


def job_name(work: _Load) -> str:
    """The job name of a load: the table, and the kind of work."""
    identifier = work.rollup.identifier if isinstance(work, RollupWindow) else work.measurement.path
    return f"{'.'.join(identifier)}.{_kind(work).lower()}"


def _kind(work: _Load) -> str:
    return "ROLLUP" if isinstance(work, RollupWindow) else "TAIL" if isinstance(work, TailWindow) else "LOAD"


def _run_id(text: str) -> str:
    """The UUID in the id of a run, else one derived from it."""
    found = _UUID.search(text)
    return found[0] if found else str(uuid.uuid5(uuid.NAMESPACE_URL, f"influx-lake:{text}"))


def _outputs(
    catalog: Catalog, identifier: tuple[str, ...], results: Sequence[WindowResult], lineage: datasets.Facets
) -> list[OutputDataset]:
    table: Table | None = results[-1].table if results else find_table(catalog, identifier)
    return [] if table is None else [datasets.output_of(table, results, lineage)]


def _transformations(measurement: Measurement, results: Sequence[WindowResult]) -> Mapping[str, tuple[str, str]]:
    """The transformations of columns that are not copied from the source."""
    options, types = measurement.transforms, measurement.types.types
    schema = next((each.schema for each in reversed(results) if each.schema), None)
    found = dict.fromkeys(options.map, ("TRANSFORMATION", "values mapped"))
    found |= {name: ("TRANSFORMATION", f"cast to {kind}") for name, kind in types.items()}
    for column in schema.columns if schema else ():
        if column.made_of is not None and column.doc and (len(column.made_of) != 1 or column.name in options.computed):
            found[column.name] = "TRANSFORMATION", column.doc
    return found


def _signed(event: RunEvent) -> RunEvent:
    """The event, with us as the producer of its facets."""
    sets: list[Any] = [event.run, event.job, *(event.inputs or ()), *(event.outputs or ())]
    for each in sets:
        for facets in (each.facets, getattr(each, "inputFacets", None), getattr(each, "outputFacets", None)):
            for facet in (facets or {}).values():
                facet._producer = PRODUCER
    return event
