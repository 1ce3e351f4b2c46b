"""The `TableTarget` of a measurement, and the check whether its table takes loads after foreign changes of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.config import ColumnNames, Measurement, RenamedColumns, column_name
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.errors import SchemaConflict, SourceError
from influx_lake.iceberg.columns.foreign_column_changes import column_changes
from influx_lake.iceberg.columns.known_columns import actual, holds_rows, remembered, renamed
from influx_lake.iceberg.load.ensure import check_takes_columns
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.target import TableTarget
from influx_lake.sources.protocol import Source
from influx_lake.transforms import transformed
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def table_target(measurement: Measurement, schema: MeasurementSchema) -> TableTarget:
    """The table of a measurement, for its loads.

    Args:
        measurement: The measurement.
        schema: The columns of the table.
    """
    there, style = {column.name for column in schema.columns}, measurement.types.column_names
    key = tuple(name if name in there else column_name(name, style) for name in measurement.write.key)
    # The schema already has the table's names and types.
    types = measurement.types.model_copy(update={"types": {}, "column_names": ColumnNames.KEEP})
    return TableTarget(
        identifier=measurement.identifier,
        time_column=measurement.time_column,
        key=key or schema.tags,
        tags=schema.tags,
        write=measurement.write,
        properties=measurement.table_properties,
        types=types,
        definition=measurement.definition,
        quarantines_casts=measurement.quarantines_casts,
        schema_evolution=measurement.schema_evolution,
        partition=measurement.iceberg_partition,
        share=measurement.share,
        docs={name: column.doc for name, column in measurement.columns.items() if column.doc is not None},
    )


def check_takes_loads(source: Source, catalog: Catalog, measurement: Measurement) -> None:
    """Check that a table takes the source's columns, as loads do.

    The source is queried only where the table's metadata show foreign changes of columns.

    Raises:
        SchemaConflict: Loads would be refused; the message is that of a load.
        SourceError: The source's columns cannot be read.
    """
    table = find_table(catalog, measurement.identifier, measurement.share)
    if table is None or not _may_be_refused(table, measurement):
        return
    schema = transformed(source, measurement).schema(measurement.name)
    names = [column.name for column in schema.columns]
    check_takes_columns(actual(table), table_target(measurement, schema), names, arrow_schema(schema))


def check_or_tell(source: Source, catalog: Catalog, measurement: Measurement) -> None:
    """The same check; where the source is unavailable, foreign changes in the table's metadata are reported.

    Raises:
        SchemaConflict: Loads would be refused, or might be.
    """
    try:
        check_takes_loads(source, catalog, measurement)
    except SourceError:
        # That the source is unavailable is reported by the check of the source itself.
        if remarks := remarks_of(catalog, measurement):
            remedy = "Undo the change; the source's columns cannot be read now"
            raise SchemaConflict("; ".join(remarks), remedy=remedy) from None


def remarks_of(catalog: Catalog, measurement: Measurement) -> list[str]:
    """The foreign changes of columns that loads cannot follow, in words."""
    table = find_table(catalog, measurement.identifier, measurement.share)
    return [in_words(change) for change in column_changes(table, measurement.time_column)] if table is not None else []


def in_words(change: str) -> str:
    """A foreign change of columns, in words."""
    return f"others changed columns: {change}"


def _may_be_refused(table: Table, measurement: Measurement) -> bool:
    return bool(
        column_changes(table, measurement.time_column)
        or (measurement.types.renamed_columns is RenamedColumns.REFUSE and renamed(table))
        # No load has recorded the columns' ids.
        or (remembered(table) is None and holds_rows(table))
    )
