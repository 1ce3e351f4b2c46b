"""Loads rows of a table as the type of an asset's argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa
    from pyiceberg.table import DataScan, Table

    from influx_lake.iceberg.scan.row_filter import RowFilter


@dataclass(frozen=True)
class TableRows:
    """The rows of a table within windows, or all of them. They are read on demand.

    Attributes:
        table: The Iceberg table, at the snapshot that is read.
        windows: The windows, or None for the whole table.
        time_column: The column that the windows apply to.
    """

    table: Table
    windows: Sequence[Window] | None
    time_column: str

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        from influx_lake.iceberg.scan.reader import arrow_schema

        return arrow_schema(self.table.schema())

    def scan(self) -> DataScan:
        """A scan of the rows, which can be narrowed further."""
        return self.table.scan(row_filter=self._wanted.expression(self.table))

    def reader(self) -> pa.RecordBatchReader:
        """Stream the rows, once."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows as an Arrow stream, any number of times."""
        return self.reader().__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        from influx_lake.iceberg.scan.reader import conform, read_tasks

        scan = self.scan()
        for batch in read_tasks(self.table, scan.plan_files(), self._wanted, scan.projection()):
            yield conform(batch, self.schema)

    @property
    def _wanted(self) -> RowFilter:
        from influx_lake.iceberg.scan.row_filter import RowFilter

        return RowFilter.of(self.windows, self.table, self.time_column)


def load_as(kind: Any, rows: TableRows, argument: str) -> object:
    """Load rows as the type of an argument's annotation.

    Raises:
        ConfigurationError: The type is not supported.
        MissingExtra: The type's library is not installed.
    """
    loader = _LOADERS.get(_name_of(kind))
    if loader is None:
        asked = "has no type annotation" if kind is Any else f"asks for {_name_of(kind)}"
        raise ConfigurationError(
            f"the argument {argument} {asked}, and a table can be loaded in several ways",
            remedy=f"Annotate the argument with one of {', '.join(_LOADERS)}",
        )
    return loader(rows)


def _name_of(kind: Any) -> str:
    """The type as `package.Class`: compared by name, so that no package is imported for it."""
    package = str(getattr(kind, "__module__", "")).partition(".")[0].removeprefix("_")
    return f"{package}.{getattr(kind, '__name__', kind)}"


def _polars_lazy(rows: TableRows) -> pl.LazyFrame:
    from influx_lake.frames.polars_scan import lazy_frame

    times = None if rows.windows is None else [(window.start, window.end) for window in rows.windows]
    return lazy_frame(rows.table, times, rows.time_column)


def _polars_eager(rows: TableRows) -> pl.DataFrame:
    return _polars_lazy(rows).collect()


def _duckdb_relation(rows: TableRows) -> duckdb.DuckDBPyRelation:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("loading a table as a DuckDB relation", "duckdb") from error
    # On the default connection, so that duckdb.sql("... from argument") finds it by the argument's name.
    return duckdb.from_arrow(rows)


def _own_table(table: Table) -> Table:
    """The table under its own names, which can also be changed."""
    from influx_lake.iceberg.columns.known_columns import actual

    return actual(table)


_LOADERS: dict[str, Callable[[TableRows], object]] = {
    "pyarrow.Table": lambda rows: rows.reader().read_all(),
    "pyarrow.RecordBatchReader": TableRows.reader,
    "polars.LazyFrame": _polars_lazy,
    "polars.DataFrame": _polars_eager,
    "duckdb.DuckDBPyRelation": _duckdb_relation,
    "pyiceberg.DataScan": TableRows.scan,
    "pyiceberg.Table": lambda rows: _own_table(rows.table),
}
