"""Plans which files of a table hold a window, from metadata alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import share_of, time_field
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.share_files import of_share, only_of_share

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table


@dataclass(frozen=True, slots=True)
class WindowFiles:
    """The files that may hold rows of a window.

    Attributes:
        inside: Every row of these lies in the window, and belongs to the measurement that is viewed.
        straddling: These may hold rows on both sides of the window's bounds, or of other measurements.
    """

    inside: tuple[FileScanTask, ...]
    straddling: tuple[FileScanTask, ...]


def files_of(table: Table, window: Window, time_column: str) -> WindowFiles:
    """Find the window's files in the table's current snapshot.

    A file with another engine's deletes counts as straddling: its row count includes deleted rows.
    """
    time_id = time_field(table, time_column).field_id
    is_of_share = only_of_share(table)
    inside: list[FileScanTask] = []
    straddling: list[FileScanTask] = []
    for task in planned_files(table.scan(row_filter=in_windows([window], table, time_column))):
        bounds = time_bounds(task.file, time_id)
        whole = bounds is not None and window.start_us <= bounds[0] and bounds[1] < window.end_us
        (inside if whole and not task.delete_files and is_of_share(task.file) else straddling).append(task)
    return WindowFiles(tuple(inside), tuple(straddling))


def touched_by(
    table: Table, found: WindowFiles, time_column: str, first_us: int | None, last_us: int | None
) -> tuple[list[FileScanTask], list[FileScanTask]]:
    """The files of a window that may hold rows in a range of time, and those that do not."""
    if first_us is None or last_us is None:
        return [], [*found.inside, *found.straddling]
    time_id = time_field(table, time_column).field_id
    touched = list(found.straddling)
    untouched: list[FileScanTask] = []
    for task in found.inside:
        bounds = time_bounds(task.file, time_id)
        apart = bounds is not None and (bounds[1] < first_us or bounds[0] > last_us)
        (untouched if apart else touched).append(task)
    return touched, untouched


def time_bounds(file: DataFile, time_id: int) -> tuple[int, int] | None:
    """The first and last time in a file, in microseconds since 1970; None where its metadata does not tell."""
    lower = (file.lower_bounds or {}).get(time_id)
    upper = (file.upper_bounds or {}).get(time_id)
    if lower is None or upper is None or (file.null_value_counts or {}).get(time_id):
        return None
    return int.from_bytes(lower, "little", signed=True), int.from_bytes(upper, "little", signed=True)


def in_windows(windows: Sequence[Window], table: Table, time_column: str) -> BooleanExpression:
    """The scan filter for the viewed rows in any of the windows."""
    from pyiceberg.expressions import AlwaysFalse, And, GreaterThanOrEqual, LessThan, Or
    from pyiceberg.types import TimestamptzType

    zone = "+00:00" if isinstance(time_field(table, time_column).field_type, TimestamptzType) else ""

    def text(moment: datetime) -> str:
        return f"{moment:%Y-%m-%dT%H:%M:%S.%f}{zone}"

    expression: BooleanExpression = AlwaysFalse()
    for window in windows:
        # pydantic shows type checkers another signature than these have.
        since = GreaterThanOrEqual(time_column, text(window.start))  # type: ignore[call-arg,arg-type]
        until = LessThan(time_column, text(window.end))  # type: ignore[call-arg,arg-type]
        expression = Or(expression, And(since, until))
    share = share_of(table)
    return expression if share is None else And(of_share(table, share), expression)
