"""Collects what a measurement's page shows of its roll-ups, from their tables' metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import total_rows
from influx_lake.iceberg.table_state import table_state

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class RollupColumn:
    """A column of a roll-up's table.

    Attributes:
        name: Its name.
        type: Its Iceberg type.
        description: Its Iceberg doc.
    """

    name: str
    type: str
    description: str | None


@dataclass(frozen=True, slots=True)
class DescribedRollup:
    """A roll-up and its table, as the page shows them.

    Attributes:
        rollup: The roll-up.
        columns: The columns of its table; none where there is no table yet.
        rows: The number of rows; None where there is no table yet.
        coverage: The table's coverage.
    """

    rollup: Rollup
    columns: tuple[RollupColumn, ...] = ()
    rows: int | None = None
    coverage: tuple[Window, ...] = ()


def described_rollup(catalog: Catalog, rollup: Rollup) -> DescribedRollup:
    """Collect what the page shows of a roll-up.

    Raises:
        CatalogError: The table cannot be loaded.
        StorageError: One of its manifests cannot be read.
    """
    table = find_table(catalog, rollup.identifier)
    if table is None:
        return DescribedRollup(rollup)
    columns = tuple(RollupColumn(each.name, str(each.field_type), each.doc) for each in table.schema().fields)
    rows = total_rows(table, table.current_snapshot())
    return DescribedRollup(rollup, columns, rows, table_state(table).coverage.intervals)
