"""Loads of rows that are there already."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_rows import Rows

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True)
class CheckedBy:
    """A guard made of functions that get the numbers of rows, after the load and before."""

    approve: Callable[[int, int], None] = lambda rows, previous_rows: None
    keeps: Callable[[int, int], bool] = lambda rows, previous_rows: False

    def check(self, window: Window, rows: int, previous_rows: int) -> None:  # noqa: ARG002
        self.approve(rows, previous_rows)

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:
        return self.keeps(rows, previous_rows)


def load_of(
    catalog: Catalog,
    target: TableTarget,
    rows: Rows | Callable[[Window], AbstractContextManager[Rows]],
    window: Window,
    provenance: Provenance,
    *,
    merge_fields: bool | None = None,
    commit_timeout: timedelta | None = None,
    **options: Any,
) -> WindowLoad:
    """The load of a window from rows, or from what reads those of a part of it."""
    said = {"merge_fields": merge_fields, "commit_timeout": commit_timeout}
    stated = {name: value for name, value in said.items() if value is not None}
    if stated:
        target = replace(target, write=target.write.model_copy(update=stated))
    read = rows if callable(rows) else lambda _: nullcontext(rows)
    return WindowLoad(catalog, target, provenance, window, read, **options)
