"""The sort order of a table's files, and streams of rows in that order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.iceberg.layout.sort_order import FileOrder, identity_terms
from influx_lake.iceberg.sort.external_sort import sorted_batches
from influx_lake.iceberg.sort.stream_merge import merged_batches
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

MOST_STREAMS = 16
"""The largest number of files that are merged at once: each has a batch of rows in memory."""


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The sort order of the rows of files.

    Attributes:
        terms: The sort terms; empty where rows keep the order of their files.
        file_order: The order that sorted files declare; None where they cannot declare it.
    """

    terms: tuple[SortTerm, ...]
    file_order: FileOrder | None

    @classmethod
    def of(cls, table: Table, target: TableTarget) -> RowOrder:
        """The order that lake.yaml states, else the table's.

        Raises:
            SchemaConflict: A stated column does not exist.
        """
        stated = target.write.sort_by
        terms = identity_terms(table) if stated is None else stated
        return cls(terms, FileOrder.of(table, terms))

    def rows_of(
        self,
        table: Table,
        tasks: Sequence[FileScanTask],
        read: Callable[[Sequence[FileScanTask]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of files in this order.

        Without an order, the rows of one file follow those of the other. Files that declare this order are merged,
        unless too many of them overlap: then, and where files do not declare it, rows are sorted.

        Args:
            table: The table.
            tasks: The files, ordered by time.
            read: Reads the rows of some of them, one file after the other.
            schema: The schema of the rows.
        """
        if not self.terms:
            yield from read(tasks)
            return
        sequences = self._sequences(table, tasks)
        if sequences is None:
            yield from sorted_batches(read(tasks), schema, self.terms)
        elif len(sequences) == 1:
            yield from read(sequences[0])
        else:
            yield from merged_batches([read(each) for each in sequences], schema, self.terms)

    def _sequences(self, table: Table, tasks: Sequence[FileScanTask]) -> list[list[FileScanTask]] | None:
        """Combine sorted files that follow each other to sequences; None where rows have to be sorted."""
        if self.file_order is None or any(task.file.sort_order_id != self.file_order.order_id for task in tasks):
            return None
        ends_of = _ends(table, self.terms[0])
        found: list[tuple[Any, list[FileScanTask]]] = []
        known = [(ends, task) for task in tasks if (ends := ends_of(task.file)) is not None]
        for (first, last), task in sorted(known, key=lambda each: each[0], reverse=self.terms[0].descending):
            begins, ends = (last, first) if self.terms[0].descending else (first, last)
            place = next((each for each, (end, _) in enumerate(found) if self._follows(end, begins)), None)
            if place is None:
                found.append((ends, [task]))
            else:
                found[place] = (ends, [*found[place][1], task])
        sequences = [sequence for _, sequence in found] + [[task] for task in tasks if ends_of(task.file) is None]
        return sequences if len(sequences) <= MOST_STREAMS else None

    def _follows(self, end: Any, begin: Any) -> bool:
        """Whether all rows of a file come after those of another; where they meet, the other columns would decide."""
        return bool(end > begin if self.terms[0].descending else end < begin)


def _ends(table: Table, term: SortTerm) -> Callable[[DataFile], tuple[Any, Any] | None]:
    """A function that gives the first and last value of the first sort column in a file; None where unknown."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import DoubleType, FloatType, PrimitiveType

    field = table.schema().find_field(term.column)
    number, kind = field.field_id, field.field_type

    def ends(file: DataFile) -> tuple[Any, Any] | None:
        lower, upper = ((bounds or {}).get(number) for bounds in (file.lower_bounds, file.upper_bounds))
        # The bounds of floats do not include NaN.
        if not isinstance(kind, PrimitiveType) or isinstance(kind, FloatType | DoubleType):
            return None
        if lower is None or upper is None or (file.null_value_counts or {}).get(number) != 0:
            return None
        return from_bytes(kind, lower), from_bytes(kind, upper)

    return ends
