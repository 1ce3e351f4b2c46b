"""Persists a sandbox in a folder: a write-ahead log for recent writes, Parquet files for the rest.

    <folder>/log/00000001.wal                   records of written rows, replayed at the next start
    <folder>/databases/<database>/<id>/current  the name of the current generation
    <folder>/databases/<database>/<id>/<generation>/{table.json, *.parquet}

A generation is never changed: the next one takes over unchanged files as hard links, and queries that still read the
previous one keep it alive. Acknowledged writes survive the end of the process at any point, but not a power failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from influx_lake.errors import StorageError
from influx_lake.private_folders import make_private
from influx_lake.sandbox.storage.columns import Kind, kinds_of
from influx_lake.sandbox.storage.merge import Run
from influx_lake.sandbox.storage.table import Table
from influx_lake.sandbox.storage.write_ahead_log import WriteAheadLog

NewTable = Callable[[str, str], Table]


class Folder:
    """The files of a sandbox. Only one process at a time may use them."""

    def __init__(self, path: Path) -> None:
        self._databases = path / "databases"
        make_private(self._databases)
        self._lock = _lock(path / "lock")
        self.log = WriteAheadLog(path / "log")

    def restore(self, new_table: NewTable) -> Iterator[tuple[str, Table | None]]:
        """Restore the data from disk.

        Yields:
            Every database with None, and every measurement with its database.
        """
        tables: dict[tuple[str, str], Table] = {}
        for database in sorted(path for path in self._databases.iterdir() if path.is_dir()):
            yield database.name, None
            for home in sorted(database.iterdir()):
                if (found := RunFolder(home).restore(new_table, database.name)) is not None:
                    tables[database.name, found.name] = found
        for sequence, name, measurement, rows in self.log.replay():
            table = tables.get((name, measurement))
            if table is None:
                table = tables[name, measurement] = new_table(name, measurement)
            if sequence > table.applied:
                table.append(rows, kinds_of(rows.schema), sequence)
        self.log.start(max((table.applied for table in tables.values()), default=0))
        yield from ((database_name, table) for (database_name, _), table in tables.items())

    def run_files(self, database: str, measurement: str) -> RunFolder:
        """The folder of a measurement's Parquet files."""
        digest = hashlib.sha256(measurement.encode()).hexdigest()[:24]
        return RunFolder(self._databases / database / digest, measurement)

    def create_database(self, name: str) -> None:
        (self._databases / name).mkdir(exist_ok=True)

    def drop_database(self, name: str) -> None:
        shutil.rmtree(self._databases / name)

    def close(self) -> None:
        self.log.close()
        self._lock.close()


class _Generation:
    """One immutable set of files; its folder is removed once it is replaced and no longer read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def retire(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


class RunFolder:
    """The Parquet files of one measurement."""

    def __init__(self, home: Path, measurement: str = "") -> None:
        self._home = home
        self._measurement = measurement
        self._generation: _Generation | None = None

    def restore(self, new_table: NewTable, database: str) -> Table | None:
        """Build the measurement from the current generation, and remove leftovers of a crash."""
        current = self._home / "current"
        name = current.read_text() if current.exists() else ""
        for path in self._home.iterdir():
            if path.is_dir() and path.name != name:
                shutil.rmtree(path)
        if not name:
            return None
        state = json.loads((self._home / name / "table.json").read_text())
        table = new_table(database, state["measurement"])
        assert isinstance(table.files, RunFolder)
        table.files._generation = generation = _Generation(self._home / name)
        runs = [_run(generation, entry) for entry in state["runs"]]
        table.restore({column: Kind(kind) for column, kind in state["columns"].items()}, runs, state["applied"])
        return table

    def read(self, run: Run) -> pa.Table:
        return pq.read_table(run.path, partitioning=None)

    def save(self, columns: Mapping[str, Kind], runs: Sequence[Run], applied: int) -> list[Run]:
        former = self._generation
        number = int(former.folder.name) + 1 if former is not None else 1
        generation = _Generation(self._home / f"{number:08}")
        # A crash may have left an incomplete first generation.
        shutil.rmtree(generation.folder, ignore_errors=True)
        generation.folder.mkdir(parents=True)
        entries = [self._place(run, generation.folder) for run in runs]
        state = {"measurement": self._measurement, "columns": columns, "applied": applied, "runs": entries}
        (generation.folder / "table.json").write_text(json.dumps(state))
        following = self._home / "current.new"
        following.write_text(generation.folder.name)
        following.replace(self._home / "current")
        if former is not None:
            former.retire()
        self._generation = generation
        return [_run(generation, entry) for entry in entries]

    def remove(self) -> None:
        if self._home.exists():
            (self._home / "current").unlink(missing_ok=True)
            if self._generation is not None:
                self._generation.retire()
            self._generation = None

    def _place(self, run: Run, folder: Path) -> dict[str, Any]:
        # Offset by 2**63, so that names sort by time even before 1970.
        name = f"{run.first + 2**63:020}.parquet"
        if run.path is not None:
            os.link(run.path, folder / name)
        else:
            pq.write_table(run.table, folder / name, compression="zstd", compression_level=1)
        return {"file": name, "rows": run.rows, "first": run.first, "last": run.last}


def _run(generation: _Generation, entry: Mapping[str, Any]) -> Run:
    path = generation.folder / entry["file"]
    return Run(entry["rows"], entry["first"], entry["last"], path=path, keeper=generation)


def _lock(path: Path) -> BinaryIO:
    handle = path.open("wb")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        handle.close()
        raise StorageError(
            f"the sandbox folder {path.parent} is in use by another sandbox",
            remedy="Stop that one, or use another folder",
        ) from problem
    return handle
