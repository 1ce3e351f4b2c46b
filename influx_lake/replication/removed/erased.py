"""Adds the conditions of erased rows to a measurement, so that loads do not bring them back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state.erased_rows import erased_from

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def without_erased(measurement: Measurement, catalog: Catalog) -> Measurement:
    """The measurement with filters that leave out the rows which lake.yaml or its table says were erased.

    Raises:
        CatalogError: The table cannot be read.
    """
    return without_erased_from(measurement, find_table(catalog, measurement.identifier, measurement.share))


def without_erased_from(measurement: Measurement, table: Table | None) -> Measurement:
    """As `without_erased`, for a table that is loaded already."""
    erased = tuple(dict.fromkeys((*measurement.erased, *erased_from(table))))
    return measurement if erased == measurement.erased else replace(measurement, erased=erased)
