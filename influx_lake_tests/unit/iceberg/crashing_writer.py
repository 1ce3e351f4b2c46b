"""Replaces a window and stops for ever at a chosen step, so that it can be killed there.

Usage: crashing_writer.py FOLDER STEP
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import sql

from influx_lake.config import WriteOptions
from influx_lake.iceberg import data_file, snapshot, table
from influx_lake.iceberg.catalog import open_catalog
from influx_lake.iceberg.replace import replace_window
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, Batches, day, rows


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
        batch = rows(day(0), 5_000, value=number)
        # New columns are a commit of their own, before that of the rows.
        grown = batch.append_column("later", pa.array([number] * len(batch), pa.int64()))
        yield grown if "columns" in step else batch
        if step == f"batch {number}":
            stop()


STEPS: dict[str, tuple[Any, str, bool]] = {
    "before adding columns": (table, "_evolve", False),
    "after adding columns": (table, "_evolve", True),
    "after closing a file": (data_file, "describe", True),
    "before the manifests": (snapshot.ReplaceCommit, "prepare", False),
    "after the manifests": (snapshot.ReplaceCommit, "prepare", True),
    "before the catalog": (sql.SqlCatalog, "commit_table", False),
    "metadata written": (sql.SqlCatalog, "_write_metadata", True),
    "after the catalog": (sql.SqlCatalog, "commit_table", True),
}


def main(folder: str, step: str) -> None:
    catalog = open_catalog(
        "lake", {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{folder}/warehouse"}
    )
    if step in STEPS:
        owner, name, after = STEPS[step]
        stopping(owner, name, after=after)
    batches = Batches(next(coming(step)).schema, coming(step))
    target = changed(TARGET, write=WriteOptions(target_file_size=20_000))
    replace_window(catalog, target, batches, day(0), PROVENANCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
