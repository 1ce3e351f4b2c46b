"""Writes slices of a window to data files in executors, by the code of loads without Spark."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Measurement, SourceConfig
from influx_lake.config.catalogs.options import CatalogConfig
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.history.branch_catalog import on_branch
from influx_lake.iceberg.load.write_part import write_part
from influx_lake.iceberg.parts.encoding import encoded
from influx_lake.replication.window import load_of
from influx_lake.sources import open_source
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.protocol import Source
from influx_lake.spark.line_pieces import sliced
from influx_lake.spark.outcomes import Outcome
from influx_lake.spark.serialization import received, shipped
from influx_lake.spark.shuffled_points import Declared, ShuffledPoints, units_of
from influx_lake.transforms import LoadContext, transformed

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

PIECES = pa.schema([("slice", pa.int32()), ("place", pa.int32()), ("piece", pa.int64()), ("content", pa.binary())])
"""Pieces cut at slices: the number of the slice, the file's position, the piece's number, and its content."""
PIECES_DDL = "slice int, place int, piece bigint, content binary"
OUTCOMES = pa.schema([("outcome", pa.binary())])
"""The outcomes of slices: pickled `Outcome`s of a `WrittenPart` as JSON."""
OUTCOMES_DDL = "outcome binary"
Batches = Iterable[pa.RecordBatch]
Task = Callable[[Batches], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class WindowTask:
    """A window, and everything needed to write a part of it.

    Attributes:
        catalog: The catalog of its table.
        branch: The branch to load to; None: main.
        measurement: The measurement.
        schema: The columns of its table.
        context: The load.
        identities: The identities of its sources, its own first, where it has several.
        with_nanoseconds: Whether the table gets the column of nanoseconds.
        source: The source that executors read; None where rows are shuffled.
        declared: The measurement's names, tags and fields, where rows are shuffled.
        slices: The slices.
    """

    catalog: CatalogConfig
    branch: str | None
    measurement: Measurement
    schema: MeasurementSchema
    context: LoadContext
    identities: tuple[str, ...]
    with_nanoseconds: bool
    source: SourceConfig | None
    declared: Declared | None
    slices: tuple[Window, ...]

    def write(self, number: int, plain: Source) -> bytes:
        """Write a slice.

        Args:
            number: Its number.
            plain: The source of its rows.
        """
        context = self.context
        source = transformed(plain, self.measurement, context)
        # The transforms are planned from the source's columns, as on the driver.
        source.schema(self.measurement.name)
        load = load_of(
            source,
            _catalog(shipped(self.catalog), self.branch),
            self.measurement,
            self.schema,
            self.slices[number],
            run_id=context.run_id,
            now=context.loaded_at,
            declared=self.identities,
        )
        load = replace(load, target=replace(load.target, with_nanoseconds=self.with_nanoseconds))
        return encoded(write_part(load))


def slicing(places: Mapping[int, int], bounds: Sequence[int]) -> Task:
    """The task before the shuffle: cuts pieces at the bounds of slices.

    Args:
        places: The position of each file by its number in the rows; pieces of other files are left out.
        bounds: The starts of the slices and the end of the last one, in nanoseconds since 1970.
    """

    def cut(rows: Batches) -> Iterator[pa.RecordBatch]:
        for batch in rows:
            for row in batch.to_pylist():
                place = places.get(row["file"])
                for number, content in sliced(row["content"], bounds) if place is not None else ():
                    columns = ([number], [place], [row["piece"]], [content])
                    yield pa.RecordBatch.from_arrays(
                        [pa.array(values, field.type) for values, field in zip(columns, PIECES, strict=True)],
                        schema=PIECES,
                    )

    return cut


def writing_shuffled(shipment: bytes) -> Task:
    """The task after the shuffle: writes the slices whose pieces it gets, one after the other.

    Args:
        shipment: The `WindowTask`, shipped.
    """

    def write(rows: Batches) -> Iterator[pa.RecordBatch]:
        for number, pieces in groupby(_pieces(rows), key=itemgetter(0)):
            contents = ((place, content) for _, place, content in pieces)

            def work(number: int = number, contents: Iterator[tuple[int, bytes]] = contents) -> bytes:
                task: WindowTask = received(shipment)
                assert task.declared is not None
                with tempfile.TemporaryDirectory(prefix="influx-lake-spark-") as folder:
                    units = units_of(contents, task.declared, Path(folder))
                    return task.write(number, PointsSource(ShuffledPoints(task.declared, units)))

            yield _outcome(Outcome.of(work))

    return write


def writing_read(shipment: bytes) -> Task:
    """The task without a shuffle: reads its slices of the window and writes them.

    Args:
        shipment: The `WindowTask`, shipped.
    """

    def write(numbers: Batches) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():

                def work(number: int = number) -> bytes:
                    task: WindowTask = received(shipment)
                    assert task.source is not None
                    with ExitStack() as opened:
                        source = open_source(task.source)
                        opened.callback(source.close)
                        return task.write(number, source)

                yield _outcome(Outcome.of(work))

    return write


def _pieces(rows: Batches) -> Iterator[tuple[int, int, bytes]]:
    for batch in rows:
        for row in batch.to_pylist():
            yield row["slice"], row["place"], row["content"]


def _outcome(outcome: Outcome) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([outcome.packed()], pa.binary())], schema=OUTCOMES)


@lru_cache(maxsize=8)
def _catalog(config: bytes, branch: str | None) -> Catalog:
    """The catalog, opened once in each process."""
    opened_by: CatalogConfig = received(config)
    catalog = open_catalog(opened_by.name, opened_by.properties(), opened_by.lock_timeout)
    return catalog if branch is None else on_branch(catalog, branch)
