"""Runs a restore: reads points, sends them in batches, records acknowledgements, verifies the target."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import ConfigurationError, naming
from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.restore.delivery.batch import Batch, BatchWriter, Refused
from influx_lake.restore.delivery.dead_letters import write_dead_letters
from influx_lake.restore.delivery.journal import FOLDER, Journal
from influx_lake.restore.destination import Destination, Sink
from influx_lake.restore.lake_points import LakePoints, fingerprint
from influx_lake.restore.lines.dialect import Dialect
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.lines.writer import LineWriter
from influx_lake.restore.options import RestoreOptions
from influx_lake.restore.outcome import Restored
from influx_lake.restore.rows.names import DeclaredColumns
from influx_lake.restore.rows.reverse_mapping import remarks
from influx_lake.restore.verification import verified

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


OnProgress = Callable[[Window, int], None]
"""Called with the number of points of a window that were acknowledged."""


def restore(
    lake: Lake,
    catalog: Catalog,
    measurement: Measurement,
    to: Destination,
    options: RestoreOptions,
    declared: DeclaredColumns,
    on_acknowledged: OnProgress = lambda window, points: None,
) -> Restored:
    """Restore windows of a measurement, and verify the target.

    Idempotent: repeating it, also after it was stopped or killed, leaves the same points.

    Args:
        lake: The lake.
        catalog: Its catalog.
        measurement: The measurement.
        to: The destination.
        options: The options.
        declared: The columns of the measurement's source, where the table does not tell them.
        on_acknowledged: Called as points are acknowledged.

    Raises:
        ConfigurationError: An option cannot be fulfilled.
        GuardError: A guard refuses it.
        SourceError: The target fails permanently, or for longer than retries go on.
        LakeError: Something else failed.
    """
    name = options.name or measurement.name
    with naming(measurement.key):
        path = lake.root / FOLDER / _journal_name(measurement, to, name, options)
        points = _points(catalog, measurement, options, declared, path)
        about = {
            "measurement": measurement.full_name,
            "target": to.identity,
            "as": name,
            "table": points.table_uuid,
            "snapshot": str(points.snapshot_id),
            "points": fingerprint(points.layout),
        }
        done = _Restore(lake, measurement, points, to, name, options, on_acknowledged)
        with closing(Journal(path, about, anew=options.again)) as journal:
            return done.run(journal)


def dry_run(
    catalog: Catalog, measurement: Measurement, to: Destination, options: RestoreOptions, declared: DeclaredColumns
) -> Restored:
    """Determine what would be restored; the target is not contacted.

    Raises:
        LakeError: As of `restore`.
    """
    name = options.name or measurement.name
    with naming(measurement.key):
        points = LakePoints.of(
            catalog,
            measurement,
            options.start,
            options.end,
            declared,
            snapshot=options.snapshot,
            as_stored=options.as_stored,
        )
        found = _result(measurement, points, to, name)
        writer = _writer(name, to, to.likely_dialect)
        for window in points.windows:
            for batch in BatchWriter(window, writer, options.batch_bytes, options.batch_lines).batches(
                points.points(window)
            ):
                found.points += len(batch)
                found.size += len(batch.body)
                found.refused += len(batch.refused)
        return found


@dataclass(frozen=True, slots=True)
class _Restore:
    lake: Lake
    measurement: Measurement
    points: LakePoints
    to: Destination
    name: str
    options: RestoreOptions
    on_acknowledged: OnProgress

    def run(self, journal: Journal) -> Restored:
        found = _result(self.measurement, self.points, self.to, self.name)
        found.resumed = journal.resumed
        writer = _writer(self.name, self.to, self.to.dialect)
        if not self.options.into_source:
            begun = [each for each in self.points.windows if not journal.has(each)]
            self.to.check_not_the_source(self.lake, self.name, begun)
            journal.begin(begun)

        def taken(batch: Batch, refused: tuple[Refused, ...]) -> None:
            found.points += len(batch) + len(batch.refused) - len(refused)
            found.size += len(batch.body)
            self.on_acknowledged(batch.window, batch.end - batch.begin)

        sink = self.to.sink(self.name, journal, self.options, taken)
        try:
            found.complete = self._write(sink, writer, journal)
            sink.drain()
        finally:
            sink.close()
        if self.options.verify and found.complete:
            with closing(self.to.source(self.name, self.points.windows, self.options)) as source:
                found.verified = tuple(verified(self.points, source, self.name, journal))
        self._conclude(found, journal)
        return found

    def _write(self, sink: Sink, writer: LineWriter, journal: Journal) -> bool:
        """Write what is not acknowledged yet; returns whether everything is written now."""
        budget = _Budget(self.options.max_points)
        for window in self.points.windows:
            with naming(self.measurement.key, window):
                batches = BatchWriter(window, writer, self.options.batch_bytes, self.options.batch_lines)
                for batch in batches.batches(budget.within(self._pending(window, journal))):
                    sink.take(batch)
                if budget.is_spent:
                    return False
                sink.finish(window)
        return True

    def _pending(self, window: Window, journal: Journal) -> Iterator[tuple[int, PointBatch]]:
        acknowledged = None if self.to.lacks(self.name, window, self.options) else journal.acknowledged(window)
        for first, points in self.points.points(window):
            if acknowledged is None:
                yield first, points
                continue
            for begin, end in acknowledged.pending(first, len(points)):
                yield begin, points.slice(begin - first, end - begin)

    def _conclude(self, found: Restored, journal: Journal) -> None:
        path = self.options.dead_letters or journal.path.with_suffix(".dead.lp")
        found.refused = write_dead_letters(path, (each for w in self.points.windows for each in journal.refused(w)))
        found.dead_letters = path if found.refused else None
        if found.complete and found.is_equal is not False:
            journal.remove()


class _Budget:
    """The number of points that may still be sent."""

    def __init__(self, most: int | None) -> None:
        self._left = most
        self.is_spent = False

    def within(self, points: Iterable[tuple[int, PointBatch]]) -> Iterator[tuple[int, PointBatch]]:
        """As many of the points as may be sent."""
        for first, group in points:
            if self._left is None:
                yield first, group
                continue
            if self._left < len(group):
                self.is_spent = True
                if self._left:
                    yield first, group.slice(0, self._left)
                    self._left = 0
                return
            self._left -= len(group)
            yield first, group


def _points(
    catalog: Catalog, measurement: Measurement, options: RestoreOptions, declared: DeclaredColumns, journal: Path
) -> LakePoints:
    """The points to restore: of the snapshot with which an earlier attempt began, unless another is asked for."""
    snapshot = options.snapshot
    begun = None if options.again or snapshot is not None else Journal.begun(journal)
    if begun is not None:
        table = actual(open_table(catalog, measurement.identifier, measurement.share))
        former = int(begun["snapshot"])
        if begun.get("table") == str(table.metadata.table_uuid) and table.metadata.snapshot_by_id(former) is not None:
            snapshot = former
    return LakePoints.of(
        catalog, measurement, options.start, options.end, declared, snapshot=snapshot, as_stored=options.as_stored
    )


def _result(measurement: Measurement, points: LakePoints, to: Destination, name: str) -> Restored:
    return Restored(
        measurement,
        name,
        to.label,
        points.snapshot_id,
        points.windows,
        points.not_loaded,
        left_out=dict(points.layout.left_out),
        remarks=tuple(remarks(measurement)),
    )


def _writer(name: str, to: Destination, dialect: Dialect) -> LineWriter:
    writer = LineWriter(to.line_name(name), dialect)
    if writer.fault is not None:
        raise ConfigurationError(
            f"no line of line protocol can name the measurement {name!r}: the name {writer.fault}",
            remedy="Restore it under another name: --as NAME",
        )
    return writer


def _journal_name(measurement: Measurement, to: Destination, name: str, options: RestoreOptions) -> str:
    """The file name of a journal, unique for origin, destination and name."""
    moment = options.snapshot
    point_in_time = utc_text(moment) if isinstance(moment, datetime) else str(moment)
    identity = "\n".join((measurement.full_name, to.identity, name, point_in_time, str(options.as_stored)))
    return f"{safe_table_name(measurement.full_name)}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.jsonl"
