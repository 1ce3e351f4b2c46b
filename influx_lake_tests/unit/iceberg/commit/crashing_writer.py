"""Loads a window and stops for ever at a chosen step, so that it can be killed there.

Usage: crashing_writer.py FOLDER STEP MODE

The warehouse is in the folder, or where `store.json` there says, in pyiceberg's properties.
"""

from __future__ import annotations

import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog

from influx_lake.config import WriteOptions
from influx_lake.config.maintenance.options import CompactOptions, ManifestOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.catalogs.sql_catalog import SqlCatalog
from influx_lake.iceberg.commit import overwrite_producer
from influx_lake.iceberg.compaction import replacement, rewriting
from influx_lake.iceberg.history import audited_load, publishing, replay
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.maintenance.compact import compact
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.merge import keep_unmatched
from influx_lake.iceberg.staging import staged
from influx_lake.iceberg.writer import data_file
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, rows, stream
from testbed.loads import load_of


def stop() -> None:
    print("here", flush=True)
    threading.Event().wait()


def stopping(owner: Any, name: str, *, after: bool) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if not after:
            stop()
        answer = original(*arguments, **named)
        stop()
        return answer

    static = isinstance(inspect.getattr_static(owner, name), staticmethod)
    setattr(owner, name, staticmethod(wrapped) if static else wrapped)


def coming(step: str) -> Iterator[pa.RecordBatch]:
    for number in range(4):
        batch = rows(day(0), 20_000, value=0.5).slice(number * 5_000, 5_000)
        # New columns come with the commit of their rows.
        grown = batch.append_column("later", pa.array([number] * len(batch), pa.int64()))
        yield grown if "columns" in step else batch
        if step == f"batch {number}":
            stop()


def named(batch: pa.RecordBatch, measurement: str = "cpu") -> pa.RecordBatch:
    """Rows of a table that holds several measurements."""
    return batch.append_column("measurement", pa.array([measurement] * len(batch)))


SHARE = Share("measurement", "cpu")
STEPS: dict[str, tuple[Any, str, bool]] = {
    "before staging columns": (staged.Staging, "again", False),
    "after staging columns": (staged.Staging, "again", True),
    "metadata with columns written": (SqlCatalog, "_write_metadata", True),
    "after closing a file": (data_file, "describe", True),
    "before the manifests": (overwrite_producer.ReplaceCommit, "prepare", False),
    "after the manifests": (overwrite_producer.ReplaceCommit, "prepare", True),
    "before the catalog": (SqlCatalog, "commit_table", False),
    "metadata written": (SqlCatalog, "_write_metadata", True),
    "after the catalog": (SqlCatalog, "commit_table", True),
    "before old metadata is deleted": (SqlCatalog, "_delete_old_metadata", False),
}
COMPACTING: dict[str, tuple[Any, str, bool]] = {
    "before the proof": (rewriting, "_check_same", False),
    "after the proof": (rewriting, "_check_same", True),
    "before the plan": (replacement.Replacement, "plan", False),
    "after the plan": (replacement.Replacement, "plan", True),
    **{step: found for step, found in STEPS.items() if "columns" not in step},
}
JOINING: dict[str, tuple[Any, str, bool]] = {
    "before the join": (keep_unmatched.KeepUnmatched, "plan", False),
    "after the join": (keep_unmatched.KeepUnmatched, "_keep", True),
}
AUDITING: dict[str, tuple[Any, str, bool]] = {
    "before it is published": (publishing, "publish", False),
    "before the fast-forward": (publishing, "_fast_forward", False),
    "before it is committed anew": (replay.Replay, "plan", False),
    "after it is published": (publishing, "publish", True),
}


def main(folder: str, step: str, mode: str) -> None:
    store = Path(folder, "store.json")
    properties = json.loads(store.read_text()) if store.exists() else {"warehouse": f"{folder}/warehouse"}
    catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", **properties})
    steps = {**STEPS, **JOINING, **AUDITING, **COMPACTING}
    if step in steps:
        owner, name, after = steps[step]
        stopping(owner, name, after=after)
    maintenance = TableTask(catalog, TARGET, "maintenance", day(60).start)
    if mode == "compact":
        compact(maintenance, CompactOptions())
        return
    if mode == "rewrite manifests":
        rewrite_manifests(maintenance, ManifestOptions(min_manifests=2))
        return
    batches = Batches(next(coming(step)).schema, coming(step))
    target = changed(TARGET, key=("host", "count"), write=WriteOptions(target_file_size=20_000))
    if mode.startswith("shared "):
        mode, target = mode.removeprefix("shared "), changed(target, share=SHARE)
        batches = Batches(named(next(coming(step))).schema, map(named, coming(step)))
    if mode.startswith("audited"):
        load = load_of(catalog, target, batches, day(0), PROVENANCE)

        def audit(_: Catalog) -> list[str]:
            if mode.endswith("overtaken"):
                replace_window(load_of(catalog, target, stream(rows(day(2), 9)), day(2), PROVENANCE))
            return []

        audited_load.audited(changed(load, audit=audit), replace_window, quarantine_of(target))
    elif mode == "tail":
        tail_window(load_of(catalog, target, batches, day(0), PROVENANCE), replace_window)
    elif mode == "append":
        append_window(load_of(catalog, target, lambda part: nullcontext(batches), day(0), PROVENANCE))
    else:
        {"replace": replace_window, "upsert": upsert_window}[mode](
            load_of(catalog, target, batches, day(0), PROVENANCE)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
