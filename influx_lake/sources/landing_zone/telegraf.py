"""Peculiarities of Telegraf's output (observed with 1.39.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.units import counted
from influx_lake.sources.points.registry import CODES
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.wide_rows import are_wide, as_cells
from influx_lake.sources.remarks import Remark

CSV_MEASUREMENT = "measurement"
"""The column of the measurement in its CSV, unless `csv_columns` is set."""
_TEXT = CODES[ColumnType.STRING]


def filled_gaps_remark(units: Sequence[Unit]) -> Remark | None:
    """The remark about Parquet files with 0, false and empty strings for missing values.

    Args:
        units: The points of such files.
    """
    counts = {str(unit.facts["file"]): _values_like_none(unit) for unit in units}
    odd = [file for file, count in counts.items() if count]
    if not odd:
        return None
    return Remark(
        "Telegraf's outputs.parquet writes 0, false or an empty string for a field that a metric does not have: "
        f"{counted(sum(counts.values()), 'such value')} of {counted(len(odd), 'file')} may be missing values; the "
        f"first file is {odd[0]}",
        "Have it write JSON or line protocol (outputs.file, outputs.remotefile), or an outputs.parquet for each set of "
        "metrics that have the same fields (namepass, tagpass)",
    )


def _values_like_none(unit: Unit) -> int:
    fields = [(each.name, each.type) for each in unit.fields]
    codes = np.array([CODES[each.type] for each in unit.fields], np.int8)
    found = 0
    for chunk in map(pa.Table.from_batches, ([each] for each in unit.chunks_of())):
        cells = as_cells(chunk, fields) if are_wide(chunk) else chunk
        is_text = codes[cells.column("field").to_numpy()] == _TEXT
        is_zero = (cells.column("bits").to_numpy() == 0) & ~is_text
        empty = pc.equal(cells.column("text").filter(pa.array(is_text)), "")
        found += int(is_zero.sum()) + (pc.sum(empty).as_py() or 0)
    return found


def shared_header_remark(units: Sequence[Unit]) -> Remark | None:
    """The remark about CSV files with a `measurement` column, as written by Telegraf, and several measurements.

    Args:
        units: The points of such files.
    """
    odd = [unit for unit in units if len(unit.measurements) > 1]
    if not odd:
        return None
    first = odd[0]
    names = ", ".join(key.name for key in first.measurements[:5])
    return Remark(
        f"Several measurements share one header in {counted(len(odd), 'file')}. Telegraf's CSV has the columns of "
        "the first metric there, and writes other metrics below it without names: their values get the names "
        f"of the first's columns; the first file is {first.facts['file']}, with {names}",
        "Have Telegraf write a file for each measurement, or name the columns with csv_columns (and leave out "
        "measurement_column), or write JSON or line protocol",
    )
