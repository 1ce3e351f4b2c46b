"""Computes the digest of a window from the lake alone, as of any of its snapshots, as an auditor would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.arrow.digests import KEY, Digest, RowDigester, combined
from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import StorageError
from influx_lake.iceberg.columns.known_columns import actual, as_known
from influx_lake.iceberg.history.snapshot_view import as_of
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.comparison.value_digests import finer_times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyiceberg.table import Table


def default_key(measurement: Measurement, table: Table) -> frozenset[str]:
    """The key columns of a proof that names none: the time, and the tags that the table records.

    Args:
        measurement: The measurement.
        table: Its table, under the names that loads know.
    """
    times = (measurement.time_column, measurement.types.nanoseconds_column)
    return frozenset((*times, *(table_state(table).tags or ())))


def stored_digest(
    table: Table,
    measurement: Measurement,
    window: Window,
    snapshot_id: int,
    key: Iterable[str] = (),
    left_out: Iterable[str] = (),
) -> Digest | None:
    """The digest of a window's rows as of a snapshot of a table; see `arrow.digests.combined`.

    Args:
        table: The table, under the names that loads know.
        measurement: Its measurement.
        window: The window, or the interval of adjacent ones.
        snapshot_id: The snapshot.
        key: The key columns; empty for `default_key`.
        left_out: The columns that are not part of the digest.

    Returns:
        None where the table no longer has the snapshot, or its files are gone.

    Raises:
        LakeError: The table cannot be read.
    """
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        return None
    view = as_known(as_of(actual(table), snapshot), share=measurement.share)
    kinds = {field.name: str(field.field_type) for field in view.schema().fields}
    omitted = set(left_out)
    names = [name for name in kinds if name not in omitted]
    wanted = tuple(key) or default_key(measurement, table)
    digester = RowDigester([name for name in names if name in wanted])
    texts = tuple(name for name in names if kinds[name] == "string")
    try:
        for batch in read_windows(view, [window], measurement.time_column, names, encoded=texts):
            digester.add(finer_times(batch.select(names), measurement.time_column, measurement.types))
    except StorageError as error:
        if error.transient:
            raise
        return None
    columns = dict(digester.digests)
    return combined(columns.pop(KEY, Digest()), columns)
