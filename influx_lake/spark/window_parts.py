"""Writes the parts of a window by Spark's executors, for the driver to commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from influx_lake.config import Measurement
from influx_lake.config.catalogs.options import CatalogConfig
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.history.branch_catalog import branch_of
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.write_part import write_part
from influx_lake.iceberg.parts.encoding import decoded
from influx_lake.replication.guards import check_size
from influx_lake.spark.outcomes import spark_errors, tell, unpacked
from influx_lake.spark.part_tasks import (
    OUTCOMES_DDL,
    PIECES_DDL,
    WindowTask,
    slicing,
    writing_read,
    writing_shuffled,
)
from influx_lake.spark.serialization import shipped
from influx_lake.spark.session import SparkSource
from influx_lake.spark.slices import slices
from influx_lake.spark.spark_files import FoundPoints, SparkFiles
from influx_lake.transforms import LoadContext
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from influx_lake.iceberg.parts.written_part import WrittenPart
    from influx_lake.iceberg.window_load import WindowLoad


@dataclass(frozen=True, slots=True)
class WindowParts:
    """Writes the rows of a window in parts; a `WindowLoad.written`.

    Attributes:
        spark: The Spark.
        files: The files of the source.
        catalog: The catalog of the table.
        measurement: The measurement.
        schema: The columns of its table.
        context: The load.
        identities: The identities of its sources, its own first, where it has several.
        rows_per_task: About the most rows that a task writes.
    """

    spark: SparkSource
    files: SparkFiles
    catalog: CatalogConfig
    measurement: Measurement
    schema: MeasurementSchema
    context: LoadContext
    identities: tuple[str, ...]
    rows_per_task: int

    def __call__(self, load: WindowLoad) -> Sequence[WrittenPart]:
        """Write the window of a load.

        Raises:
            LakeError: A task failed; files of other tasks are orphans, which maintenance removes.
        """
        with load.progress.reading():
            found = self.files.found(self.measurement.name, load.window, self.schema)
        if not len(found.spans.within(load.window).rows):
            return [self._written_here(load)]
        # Create the table and its columns here, or each executor would try to.
        table_for(load.catalog, load.target, arrow_schema(self.schema), load.provenance)
        parallelism = self.spark.parallelism()
        parts = slices(load.window, found.spans, self.rows_per_task, parallelism)
        task = WindowTask(
            catalog=self.catalog,
            branch=branch_of(load.catalog),
            measurement=self.measurement,
            schema=self.schema,
            context=self.context,
            identities=self.identities,
            with_nanoseconds=load.target.with_nanoseconds,
            source=found.source,
            declared=found.declared,
            slices=tuple(parts),
        )
        with spark_errors("write the files of the window"):
            rows = _written(self.spark, found, shipped(task), parts)
            outcomes = [unpacked(bytes(row["outcome"])) for row in rows.collect()]
        tell(outcomes)
        written = sorted((decoded(each.result()) for each in outcomes), key=lambda part: part.window.start)
        check_size(self.measurement, sum(part.rows for part in written))
        load.progress.add(sum(part.rows for part in written))
        return written or [self._written_here(load)]

    def _written_here(self, load: WindowLoad) -> WrittenPart:
        """A part without rows, for a window that has none: its columns are committed all the same."""
        return write_part(replace(load, written=None))


def _written(spark: SparkSource, found: FoundPoints, shipment: bytes, parts: Sequence[Window]) -> Any:
    session = spark.get()
    if found.declared is None:
        return session.range(0, len(parts), 1, len(parts)).mapInArrow(writing_read(shipment), OUTCOMES_DDL)
    bounds = [parts[0].start_us * 1000, *(part.end_us * 1000 for part in parts)]
    names = [key.name for key in found.declared.keys]
    cut = [
        frame.rows.filter("piece is not null")
        .filter(frame.rows["measurement"].isin(names))
        .filter((frame.rows["first"] < bounds[-1]) & (frame.rows["last"] >= bounds[0]))
        .select("file", "piece", "content")
        .mapInArrow(slicing(places, bounds), PIECES_DDL)
        for frame, places in found.frames
    ]
    pieces = reduce(lambda one, other: one.union(other), cut)
    spread = pieces.repartition(len(parts), spark.spread_by(pieces["slice"], len(parts)))
    ordered = spread.sortWithinPartitions("slice", "place", "piece")
    return ordered.mapInArrow(writing_shuffled(shipment), OUTCOMES_DDL)
