"""Dispatches a load to the write mode of its table."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from influx_lake.config import WriteMode
from influx_lake.config.values.windows import utc_text
from influx_lake.errors import WindowNotOver
from influx_lake.iceberg.history.audited_load import audited
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult


def load_window(load: WindowLoad) -> WindowResult:
    """Load a window by the table's `write.mode`; an audited window is published after its checks.

    Raises:
        WindowNotOver: No part of it is complete, and the mode is `append`.
        AuditFailed: It did not pass its checks.
        LakeError: It cannot be loaded.
    """
    return _loaded(load) if load.audit is None else audited(load, _loaded, quarantine_of(load.target))


def _loaded(load: WindowLoad) -> WindowResult:
    match load.target.write.mode:
        case WriteMode.REPLACE:
            return replace_window(load)
        case WriteMode.APPEND:
            return append_window(_complete(load))
        case WriteMode.UPSERT:
            return upsert_window(load)


def load_tail(load: WindowLoad, until: datetime) -> list[WindowResult]:
    """Add the new points of an open window, which stays due.

    With `write.mode: append`, which never loads a time again, the points are final.

    Args:
        load: The load of the window.
        until: All points before this time have arrived, except late ones.
    """
    over = load.window.until(until)
    if over is None:
        return []
    load = replace(load, window=over)
    if load.target.write.mode is WriteMode.APPEND:
        done = append_window(_complete(load))
        return [done] if done.files_added else []
    return tail_window(load, upsert_window if load.target.write.mode is WriteMode.UPSERT else replace_window)


def _complete(load: WindowLoad) -> WindowLoad:
    """The load of the complete part of a window: appended time is not loaded again.

    Raises:
        WindowNotOver: No part is complete.
    """
    if load.complete is None:
        assert load.complete_until is not None
        raise WindowNotOver(
            f"write.mode: append loads only complete time: before {utc_text(load.complete_until)} (now, less the lag)",
            remedy="Load the window later, or shorten `lag`",
        )
    return replace(load, window=load.complete)
