"""Points as rows, with a column for each field. Points that come like this are stored like this.

Columns are named by the fields' numbers. A number stands for a name and a type, so that a row has a value in at most
one of the columns of a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cells import SCHEMA, Numbers, Places, cells
from influx_lake.sources.points.registry import FieldName

SERIES, TIME = "series", "time"
_MOSTLY_THERE = 0.5


def wide_rows(series: Numbers, time: Places, columns: Mapping[int, pa.Array]) -> pa.RecordBatch:
    """Rows of points.

    Args:
        series: The number of each row's series.
        time: Nanoseconds since 1970.
        columns: The fields' values in the Arrow types of their types, by the fields' numbers.
    """
    arrays = [pa.array(series), pa.array(time), *columns.values()]
    return pa.RecordBatch.from_arrays(arrays, [SERIES, TIME, *map(str, columns)])


def are_wide(rows: pa.Table) -> bool:
    """Whether a table holds rows, not cells."""
    return bool(rows.schema != SCHEMA)


def field_numbers(rows: pa.Table | pa.RecordBatch) -> list[int]:
    """The numbers of the fields in rows."""
    return [int(name) for name in rows.schema.names if name not in (SERIES, TIME)]


def count_values(rows: pa.RecordBatch) -> int:
    """How many values there are."""
    return sum(len(rows) - rows.column(str(number)).null_count for number in field_numbers(rows))


def are_mostly_there(rows: int, columns: Sequence[pa.Array]) -> bool:
    """Whether fields have so many values that columns of them are not larger than cells."""
    return bool(sum(rows - each.null_count for each in columns) >= _MOSTLY_THERE * rows * len(columns))


def by_time(rows: pa.Table) -> pa.Table:
    """Rows sorted by time; rows with equal times keep their order."""
    times = rows.column(TIME).to_numpy()
    if (np.diff(times) >= 0).all():
        return rows
    return rows.take(pa.array(np.argsort(times, kind="stable")))


def renumbered(rows: pa.Table, series: Numbers, fields: Numbers) -> pa.Table:
    """Replace the numbers of series and fields, given the new number for each old one."""
    columns = [pa.array(series[rows.column(SERIES).to_numpy()]), *rows.columns[1:]]
    return pa.table(columns, [SERIES, TIME, *(str(fields[number]) for number in field_numbers(rows))])


def of_fields(rows: pa.Table, wanted: Callable[[int], bool]) -> pa.Table:
    """The rows that have a value of the wanted fields, with only these fields."""
    kept = [str(number) for number in field_numbers(rows) if wanted(number)]
    rows = rows.select([SERIES, TIME, *kept])
    if not kept:
        return rows.slice(0, 0)
    if any(rows.column(name).null_count == 0 for name in kept):
        return rows
    has_value = rows.column(kept[0]).is_valid()
    for name in kept[1:]:
        has_value = pc.or_(has_value, rows.column(name).is_valid())
    return rows.filter(has_value)


def side_by_side(parts: Sequence[pa.Table], series_count: int) -> pa.Table | None:
    """Rows sorted by time and series; None if two of them belong to one point."""
    rows = pa.concat_tables(parts, promote_options="default") if len(parts) > 1 else parts[0]
    time, series = rows.column(TIME).to_numpy(), rows.column(SERIES).to_numpy()
    start, end = int(time.min()), int(time.max())
    if (end - start + 1) * series_count >= 2**63:
        return None
    keys = (time - start) * series_count + series
    steps = np.diff(keys)
    if (steps > 0).all():
        return rows
    order = np.argsort(keys)
    keys = keys[order]
    return rows.take(pa.array(order)) if (keys[1:] != keys[:-1]).all() else None


def as_cells(rows: pa.Table, fields: Sequence[FieldName]) -> pa.Table:
    """The values of rows as cells, in the order of the rows."""
    series, time = rows.column(SERIES).to_numpy(), rows.column(TIME).to_numpy()
    parts, places = list[pa.RecordBatch](), list[Places]()
    for number in field_numbers(rows):
        values = rows.column(str(number)).combine_chunks()
        place = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        parts.append(_cells(series[place], time[place], number, fields[number][1], values.drop_null()))
        places.append(place)
    if not parts:
        return SCHEMA.empty_table()
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.Table.from_batches([pa.concat_batches(parts).take(pa.array(order))])


def _cells(series: Numbers, time: Places, number: int, kind: ColumnType, values: pa.Array) -> pa.RecordBatch:
    is_text = kind is ColumnType.STRING
    bits = np.zeros(len(values), np.int64) if is_text else bits_of(values)
    texts = values if is_text else pa.array([], pa.string())
    return cells(series, np.full(len(values), number, np.int32), time, bits, texts, np.full(len(values), is_text))


def bits_of(values: pa.Array) -> Places:
    """The 64 bits of numbers and booleans, none of them null."""
    numbers = values.to_numpy(zero_copy_only=False)
    found: Places = numbers.astype(np.int64) if numbers.dtype == np.bool_ else numbers.view(np.int64)
    return found


def columns_of(rows: pa.Table) -> dict[int, pa.Array]:
    """The columns of fields, by their numbers."""
    return {number: rows.column(str(number)).combine_chunks() for number in field_numbers(rows)}


def batches(rows: pa.Table, most: int) -> Iterator[pa.RecordBatch]:
    """Split rows into batches of a maximum length, each contiguous."""
    for begin in range(0, len(rows), most):
        yield from rows.slice(begin, most).combine_chunks().to_batches()
