"""Values of a table's rows by their points, read by row groups as they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from influx_lake.iceberg.merge.key_set import KeySet
from influx_lake.iceberg.merge.written_rows import padded
from influx_lake.iceberg.scan.parquet_reader import RowGroup, StoredFile, is_stored
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.reader import arrow_columns, arrow_schema
from influx_lake.iceberg.scan.row_filter import Bounds, RowFilter
from influx_lake.iceberg.spill.sorted_int64_set import Mask, Numbers, best_sort, is_in_sorted, places_in

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table

IN_MEMORY_BYTES = 48 * 2**20
"""How much of the table's rows is kept in memory to be asked for."""
_KEY_BYTES = 24
"""What the points of a row group take for each row: their ids, these sorted, and the place of each."""
_VALUE_BYTES = 8
_BATCH_ROWS = 65_536
_READ_AGAIN = 2
"""How often row groups may be read, on average, before the points are taken to come in an order of their own."""


@dataclass(slots=True)
class Block:
    """The rows of a row group that lie in the window.

    Attributes:
        file: Its file.
        path: Where that is.
        group: The row group.
        bounds: The first and last time of its rows; None where it is not known.
        numbers: The ids of the rows' points, in their order; None: they were not read, or dropped.
        values: What was read of other columns.
        rows: How many rows it is known to have in the window; None before they were read.
    """

    file: StoredFile
    path: str
    group: RowGroup
    bounds: Bounds | None
    numbers: Numbers | None = None
    values: dict[str, pa.Array] = field(default_factory=dict)
    rows: int | None = None
    _sorted: tuple[Numbers, Numbers] | None = None
    _has_repeats: bool = False
    _matched: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    def overlaps(self, first_us: int, last_us: int) -> bool:
        """Whether it may have rows from one time to another."""
        return self.bounds is None or (self.bounds[0] <= last_us and first_us <= self.bounds[1])

    def places_of(self, numbers: Numbers) -> tuple[Numbers, Mask]:
        """The place of the first row with each id, and whether there is one; all rows with the ids are matched then."""
        assert self.numbers is not None
        if not len(self.numbers):
            return np.zeros(len(numbers), np.int64), np.zeros(len(numbers), bool)
        if self._sorted is None:
            order = np.argsort(self.numbers, kind="stable")
            self._sorted = self.numbers[order], order
            self._has_repeats = bool((self._sorted[0][1:] == self._sorted[0][:-1]).any())
        ordered, order = self._sorted
        places = places_in(ordered, numbers)
        there = ordered[places] == numbers
        if self._has_repeats:
            self.match(is_in_sorted(self.numbers, np.sort(numbers)))
        else:
            self.match(order[places[there]])
        return order[places], there

    def match(self, rows: slice | Numbers | Mask) -> None:
        """Note that the points of rows were asked for."""
        matched = self.matched()
        matched[rows] = True
        # A bit for each row of the window stays until the end.
        self._matched = np.packbits(matched)

    def matched(self) -> Mask:
        """The rows whose points were asked for."""
        return np.unpackbits(self._matched, count=self.rows or 0).view(np.bool_)

    def read(self, numbers: Numbers) -> None:
        """Take the ids of the rows' points."""
        self.numbers = numbers
        if self.rows is None:
            self.rows = len(numbers)
            self._matched = np.packbits(np.zeros(self.rows, bool))

    @property
    def size(self) -> int:
        """What it takes in memory, in bytes."""
        points = 0 if self.numbers is None else len(self.numbers) * _KEY_BYTES
        return points + sum(int(values.nbytes) for values in self.values.values())

    def drop(self) -> None:
        """Forget what was read."""
        self.numbers, self._sorted = None, None
        self.values.clear()


class HeldValues:
    """The values of a table's rows.

    A row group is read when a point of its time is asked for, and kept while there is room: that is cheap where points
    are asked for roughly in the order of the table's.

    Args:
        table: The table.
        tasks: The files that may hold rows of the window.
        wanted: The rows of the window.
        points: Gives ids to points.

    Attributes:
        readable: Whether the files can be read this way.
        blocks: Their row groups.
    """

    def __init__(self, table: Table, tasks: Sequence[FileScanTask], wanted: RowFilter, points: KeySet) -> None:
        columns = arrow_columns(table.schema(), points.key.text_of(arrow_schema(table.schema())))
        key, filled = points.key.all, any(field.initial_default is not None for field in table.schema().fields)
        self._points = points
        self._keys = {number: column for number, column in columns.items() if column.name in key}
        self._others = {number: column for number, column in columns.items() if column.name not in key}
        self._recent: OrderedDict[int, Block] = OrderedDict()
        self._reads = 0
        self._turn: tuple[int, int] | None = (0, 0)
        self._in_turn = 0
        self.blocks: list[Block] = []
        self.readable = not filled and len(self._keys) == len(key) and all(is_stored(task) for task in tasks)
        time = next((number for number, column in self._keys.items() if column.name == points.key.time), 0)
        for task in tasks if self.readable else ():
            file = StoredFile(table, task, wanted)
            self.readable = self.readable and file.has({**self._keys, **self._stored(file)})
            bounds, path = time_bounds(task.file, time), task.file.file_path
            self.blocks.extend(Block(file, path, group, group.bounds or bounds) for group in file.groups(time))

    def is_near(self, numbers: Numbers, columns: int) -> bool:
        """Whether all rows of the times of some points have room in memory.

        Args:
            numbers: The ids of the points.
            columns: How many columns are asked for.
        """
        rows = sum(block.group.rows for block in self._near(numbers))
        return rows * (_KEY_BYTES + columns * _VALUE_BYTES) <= IN_MEMORY_BYTES

    @property
    def is_far(self) -> bool:
        """Whether the points come in another order than the table's rows: row groups were read again and again."""
        return self._reads > _READ_AGAIN * len(self.blocks)

    @property
    def rows(self) -> int:
        """How many rows the table is known to hold for the window: all of the files that were read."""
        return sum(block.rows or 0 for block in self.blocks)

    def of(self, numbers: Numbers, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """The values of some points in columns, null where the table has none; no columns where it has no such point.

        Args:
            numbers: The ids of the points.
            columns: The columns.
        """
        stretches = self._next_in_turn(numbers)
        if stretches is None:
            return self._looked_up(numbers, columns)
        for block, rows in stretches:
            block.match(rows)
        self._in_turn += len(numbers)
        return {
            name: pa.chunked_array([self._values(block, name)[rows] for block, rows in stretches]) for name in columns
        }

    def unmatched(self, paths: Iterable[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows of files whose points were not asked for; the points that were have no two rows that were loaded.

        Args:
            paths: The files, among which are all that share times with points that were asked for.
            schema: The columns of the table, in its order.
        """
        asked, columns = frozenset(paths), {**self._keys, **self._others}
        for block in self.blocks:
            if block.path not in asked or (block.rows is not None and block.matched().all()):
                continue
            stored = {number: columns[number] for number in columns if number in block.file.field_ids}
            is_new, begin = block.rows is None, 0
            unmatched = None if is_new else ~block.matched()
            for batch in block.file.rows(stored, [block.group]):
                rows = batch if unmatched is None else batch.filter(pa.array(unmatched[begin : begin + len(batch)]))
                begin += len(batch)
                if len(rows):
                    yield from self._still_unmatched(padded(rows, schema))
            if is_new:
                block.rows = begin

    def close(self) -> None:
        """Forget what was read."""
        for block in self.blocks:
            block.drop()

    def _next_in_turn(self, numbers: Numbers) -> list[tuple[Block, slice]] | None:
        """Where the points are, while they come as the table's rows do, from the first one on."""
        if self._turn is None:
            return None
        (place, begin), done, found = self._turn, 0, []
        self._turn = None
        times = self._points.times_of(numbers)
        while done < len(numbers):
            if place == len(self.blocks) or not self.blocks[place].overlaps(*times):
                return None
            block = self._loaded(self.blocks[place])
            assert block.numbers is not None
            count = min(len(block.numbers) - begin, len(numbers) - done)
            if not np.array_equal(block.numbers[begin : begin + count], numbers[done : done + count]):
                return None
            if count:
                found.append((block, slice(begin, begin + count)))
            begin, done = begin + count, done + count
            if begin == len(block.numbers):
                place, begin = place + 1, 0
        self._turn = place, begin
        return found

    def _looked_up(self, numbers: Numbers, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        order = None if best_sort(numbers) == "stable" else np.argsort(numbers)
        # In order they are found in a fraction of the time that it takes to jump to and fro.
        sought = numbers if order is None else numbers[order]
        found, places, begin = np.zeros(len(numbers), bool), np.zeros(len(numbers), np.int64), 0
        values: dict[str, list[pa.Array]] = {name: [] for name in columns}
        for block in self._near(numbers):
            there, are = self._loaded(block).places_of(sought)
            are &= ~found
            if are.any():
                places[are] = there[are] + begin
                found |= are
                begin += block.rows or 0
                for name in columns:
                    values[name].append(self._values(block, name))
        if not found.any():
            return {}
        if order is not None:
            found[order], places[order] = found.copy(), places.copy()
        chosen = pa.array(places, mask=~found)
        return {name: _taken(parts, chosen) for name, parts in values.items()}

    def _near(self, numbers: Numbers) -> list[Block]:
        times = self._points.times_of(numbers)
        return [block for block in self.blocks if block.overlaps(*times)]

    def _still_unmatched(self, rows: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
        # A point that came in turn was looked for in one place, and the table may have it twice.
        return self._points.filter_unmatched([rows]) if self._in_turn else [rows]

    def _loaded(self, block: Block) -> Block:
        if block.numbers is None:
            batches = block.file.rows(self._keys, [block.group], _BATCH_ROWS)
            block.read(np.concatenate([np.empty(0, np.int64), *(self._points.of(batch) for batch in batches)]))
            self._reads += 1
        self._recent[id(block)] = block
        self._recent.move_to_end(id(block))
        while len(self._recent) > 1 and sum(each.size for each in self._recent.values()) > IN_MEMORY_BYTES:
            self._recent.popitem(last=False)[1].drop()
        return block

    def _values(self, block: Block, name: str) -> pa.Array:
        if name not in block.values:
            number, column = next((n, column) for n, column in self._others.items() if column.name == name)
            if number in block.file.field_ids:
                batches = block.file.rows({number: column}, [block.group], _BATCH_ROWS)
                values = pa.chunked_array([batch.column(0) for batch in batches], column.type)
                block.values[name] = values.combine_chunks()
            else:
                block.values[name] = pa.nulls(block.rows or 0, column.type)
        return block.values[name]

    def _stored(self, file: StoredFile) -> dict[int, pa.Field]:
        """The columns that a file has, but for those of the key; others were added later."""
        return {number: column for number, column in self._others.items() if number in file.field_ids}


def _taken(values: list[pa.Array], places: pa.Array) -> pa.ChunkedArray:
    if len(values) == 1:
        return pa.chunked_array([values[0].take(places)])
    return pa.chunked_array(values).take(places)
