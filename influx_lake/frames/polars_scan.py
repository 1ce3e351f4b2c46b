"""A table as a Polars LazyFrame: filters and columns are pushed down to its files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from influx_lake.errors import MissingExtra
from influx_lake.iceberg.columns.known_columns import is_zoned_time, share_of
from influx_lake.iceberg.scan.reader import check_readable
from influx_lake.live.open_time import Between

if TYPE_CHECKING:
    import polars as pl
    from pyiceberg.table import Table

    from influx_lake.live.unloaded_rows import UnloadedRows
_KNOWN_TO_POLARS = frozenset(
    {
        "s3.access-key-id",
        "s3.connect-timeout",
        "s3.endpoint",
        "s3.force-virtual-addressing",
        "s3.region",
        "s3.request-timeout",
        "s3.secret-access-key",
        "s3.session-token",
    }
)
"""The storage properties that Polars 2.1 handles as pyiceberg does. It ignores others silently."""
_OF_STORES = ("s3.", "client.", "adls.", "gcs.", "hf.")


def lazy_frame(table: Table, times: Iterable[Between] | None, time_column: str) -> pl.LazyFrame:
    """A LazyFrame of the rows of a table in any of some time intervals.

    Args:
        table: The table, with the column names that loads use.
        times: The intervals, in any time zone; None: all time.
        time_column: The name of the time column.

    Raises:
        MissingExtra: Polars is not installed.
        CatalogRefused: The table has deletes that neither Polars nor pyiceberg reads; DuckDB does.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise MissingExtra("loading a table as a Polars frame", "polars") from error
    check_readable(table)
    if find_spec("polars_iceberg") is None:
        # Polars warns at every scan that its faster planner is not there.
        os.environ.setdefault("POLARS_ICEBERG_PLANNER", "pyiceberg")
    frame = pl.scan_iceberg(table, **_reader_options(table))
    if (share := share_of(table)) is not None:
        frame = frame.filter(pl.col(share.column) == share.value)
    if times is None:
        return frame
    return frame.filter(_within(times, time_column, is_zoned=is_zoned_time(table, time_column)))


def united_frame(
    table: Table | None, between: Between, time_column: str, columns: Sequence[str], live: UnloadedRows
) -> pl.LazyFrame:
    """A LazyFrame of some columns of a table and of the source's rows beyond it.

    Args:
        table: The table; None where there is none yet.
        between: The time interval.
        time_column: The name of the time column.
        columns: The columns.
        live: The source's rows beyond the table.
    """
    import polars as pl

    newest = pl.scan_pyarrow_dataset(live.rows)
    times = None if between == (None, None) else [between]
    if times is not None:
        is_zoned = live.rows.schema.field(time_column).type.tz is not None
        newest = newest.filter(_within(times, time_column, is_zoned=is_zoned))
    newest = newest.select(columns)
    if table is None:
        return newest
    held = lazy_frame(table, times, time_column)
    if live.hidden:
        hidden = [(window.start, window.end) for window in live.hidden]
        held = held.filter(~_within(hidden, time_column, is_zoned=is_zoned_time(table, time_column)))
    existing = {field.name for field in table.schema().fields}
    # The union includes columns that only the source has.
    held = held.with_columns(pl.lit(None).alias(name) for name in columns if name not in existing)
    return pl.concat([held.select(columns), newest], how="vertical_relaxed")


def _within(times: Iterable[Between], time_column: str, *, is_zoned: bool) -> pl.Expr:
    import polars as pl

    time = pl.col(time_column)

    def moment(value: datetime) -> pl.Expr:
        # A time without zone is in UTC.
        return pl.lit(value if is_zoned else value.astimezone(UTC).replace(tzinfo=None))

    return pl.any_horizontal(
        pl.all_horizontal([*([time >= moment(start)] if start else []), *([time < moment(end)] if end else [])])
        for start, end in times
    )


def _reader_options(table: Table) -> dict[str, Any]:
    """The options by which `scan_iceberg` reaches the table's files: the table's properties where Polars knows all of
    them, else pyiceberg's reader. Polars' own reader would take credentials from the environment.
    """
    properties = {key: str(value) for key, value in table.io.properties.items() if key.startswith(_OF_STORES)}
    if not properties or urlsplit(table.metadata_location).scheme in ("", "file"):
        return {}
    if properties.keys() <= _KNOWN_TO_POLARS:
        return {"storage_options": properties}
    return {"reader_override": "pyiceberg"}
