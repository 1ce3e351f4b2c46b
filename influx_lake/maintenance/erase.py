"""Erases rows of a measurement from its table and quarantine, and keeps later loads from bringing them back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Lake, Measurement
from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.tables.types import Nanoseconds
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.erasing.erase import ErasedFrom, erase_rows
from influx_lake.iceberg.erasing.matching import Matching
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.scan.reader import arrow_schema, find_table, open_table
from influx_lake.maintenance.tables import MaintainedTable, tables_of
from influx_lake.transforms.expressions import Computation, Expression, resolved_name

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

_ROW = "row"
"""The column of a quarantine that holds the original rows as JSON."""
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def erase(
    catalog: Catalog,
    lake: Lake,
    measurement: Measurement,
    rows: ErasedRows,
    *,
    run_id: str,
    now: datetime | None = None,
    dry_run: bool = False,
    include_refs: bool = False,
) -> Iterator[ErasedFrom]:
    """Erase rows of a measurement for good, and keep later loads from bringing them back.

    Args:
        catalog: The lake's catalog.
        lake: The lake.
        measurement: The measurement; in a shared table only its own rows are erased.
        rows: The condition.
        run_id: The run, recorded in the snapshots.
        now: The present; default: this moment.
        dry_run: Whether nothing is changed.
        include_refs: Whether branches and tags with such rows are dropped.

    Yields:
        What was done to each table, its own first.

    Raises:
        ConfigurationError: The condition names a column that the table has not, or is none.
        CatalogError: There is no table yet.
        LakeError: See `erase_rows`.
    """
    condition = _Condition(open_table(catalog, measurement.identifier), measurement, rows)
    for each in tables_of(lake, [measurement]):
        if each.rollup is None and find_table(catalog, each.target.identifier) is not None:
            task = TableTask(catalog, each.target, run_id, now or datetime.now(UTC), dry_run)
            yield erase_rows(task, rows, condition.matching(each), include_refs=include_refs)


def computed_of(measurement: Measurement) -> list[str]:
    """The tables of roll-ups, whose aggregates include the erased rows until they are computed again."""
    return [".".join(rollup.identifier) for rollup in measurement.rollups]


class _Condition:
    """The condition over the columns of a measurement's table.

    Attributes:
        columns: The columns that it names, with the table's types.
    """

    def __init__(self, table: Table, measurement: Measurement, rows: ErasedRows) -> None:
        self._measurement, self._rows = measurement, rows
        self._known = arrow_schema(as_known(table).schema())
        self._expression = Expression("--where", rows.where) if rows.where is not None else None
        self.columns: tuple[str, ...] = ()
        if self._expression is not None:
            names = [
                resolved_name(name, self._known.names, self._expression, measurement.name)
                for name in self._expression.columns
            ]
            self.columns = tuple(dict.fromkeys(names))
            self._check_known_to_loads()
            if not pa.types.is_boolean(self._computation.types[0]):
                raise ConfigurationError(
                    f"--where: {rows.where!r} is {self._computation.types[0]}, and not true or false",
                    remedy="Write a condition, such as host = 'a'",
                    measurement=measurement.name,
                )

    def _check_known_to_loads(self) -> None:
        """Refuse a column that is added during loads, since they cannot filter rows by it."""
        types = self._measurement.types
        if types.nanoseconds is Nanoseconds.KEEP and types.nanoseconds_column in self.columns:
            raise ConfigurationError(
                f"--where: {self._rows.where!r} names {types.nanoseconds_column}, which is made when rows are written: "
                "no load could leave these rows out",
                remedy=f"Name {self._measurement.time_column}, or a time with --start and --end, to the microsecond",
                measurement=self._measurement.name,
            )

    def matching(self, table: MaintainedTable) -> Matching:
        """The mask of matching rows, for the measurement's table or its quarantine."""
        holds = self._matching_quarantine if table.is_quarantine else self._matching_rows
        columns = (_ROW,) if table.is_quarantine else self.columns
        return Matching(
            columns=columns if self._expression is not None else (),
            condition=holds if self._expression is not None else None,
            window=_window(self._rows),
            share=self._measurement.share,
            time_column=TIME if table.is_quarantine else self._measurement.time_column,
        )

    @cached_property
    def _computation(self) -> Computation:
        assert self._expression is not None
        schema = pa.schema([self._known.field(name) for name in self.columns])
        return Computation([self._expression], schema, self._measurement.name)

    def _matching_rows(self, batch: pa.RecordBatch) -> pa.Array:
        [[found]] = self._computation.compute([batch.select(list(self.columns))])
        return found

    def _matching_quarantine(self, batch: pa.RecordBatch) -> pa.Array:
        """The mask for original rows in a quarantine; a value that does not fit its column matches nothing."""
        rows = [json.loads(text) if text else {} for text in batch.column(_ROW).to_pylist()]
        columns = [
            pa.array([_fitting(row.get(name), field.type) for row in rows], field.type)
            for name, field in zip(self.columns, self._computation.incoming, strict=True)
        ]
        return self._matching_rows(pa.RecordBatch.from_arrays(columns, schema=self._computation.incoming))


def _fitting(value: object, kind: pa.DataType) -> object:
    try:
        return pa.scalar(value, kind).as_py() if value is not None else None
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        return None


def _window(rows: ErasedRows) -> Window | None:
    if rows.start is None and rows.end is None:
        return None
    return Window(rows.start or _EARLIEST, rows.end or _LATEST)
