"""Explains differing windows: foreign changes, and which side has the newer values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, OnChangedValues
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake.iceberg.table_state import ForeignChange, TableState, table_state
from influx_lake.replication.corrections.evidence import Evidence, missed_correction, weigh
from influx_lake.replication.definition import is_outdated
from influx_lake.sources.protocol import Source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def others_in(
    catalog: Catalog, measurement: Measurement, windows: Sequence[Window]
) -> dict[Window, tuple[ForeignChange, ...] | None]:
    """The foreign changes of windows in which the lake has more rows, where these added rows."""
    state = table_state(find_table(catalog, measurement.identifier, measurement.share)) if windows else TableState()
    return {window: state.others_in(window) for window in windows}


def weighed_windows(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    differing: Mapping[Window, tuple[str, ...]],
    archive: Source | None,
) -> dict[Window, Evidence]:
    """The evidence for which side is newer, of windows whose values differ."""
    if not differing:
        return {}
    table = open_table(catalog, measurement.identifier, measurement.share)
    state = table_state(table)
    return {
        window: weigh(source, table, measurement, window, columns, archive)
        for window, columns in differing.items()
        # Under another definition, differing values do not show which side is newer.
        if not is_outdated(measurement, state, window)
    }


def missed_corrections(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    equal: Sequence[Window],
    archive: Source | None,
) -> dict[Window, tuple[tuple[str, ...], Evidence]]:
    """The equal windows for which the archive has newer values, where `on_changed_values: archive` is set."""
    if archive is None or measurement.on_changed_values is not OnChangedValues.ARCHIVE or not equal:
        return {}
    table = open_table(catalog, measurement.identifier, measurement.share)
    found = {window: missed_correction(source, table, measurement, window, archive) for window in equal}
    return {window: missed for window, missed in found.items() if missed is not None}
