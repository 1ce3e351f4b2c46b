"""The folder: what was acknowledged is there after any end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from influx_lake.errors import StorageError
from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage import merge, write_ahead_log
from influx_lake.sandbox.storage.persistence import Folder
from influx_lake.sandbox.storage.store import Store


def open_store(path: Path) -> Store:
    return Store(Folder(path), Faults())


def abandon(store: Store) -> None:
    """Let go of the folder as a killed process does: nothing is flushed or merged."""
    folder = store._folder
    assert folder is not None
    folder.close()


def counts(store: Store, database: str = "db") -> dict[str, int]:
    return {name: table.rows for name, table in store.database(database).tables.items()}


def values(store: Store, measurement: str, column: str) -> list[Any]:
    table = store.database("db").tables[measurement]
    assert table.files is not None
    tables = [run.table if run.table is not None else table.files.read(run) for run in table.snapshot().runs]
    return [value for one in tables for value in one.column(column).to_pylist()]


def test_an_orderly_stop_leaves_only_parquet(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu,host=a v=1 1\nmem used=1i 1")
    store.close()
    assert [path.stat().st_size for path in tmp_path.glob("log/*.wal")] == [0]
    again = open_store(tmp_path)
    assert counts(again) == {"cpu": 1, "mem": 1}
    assert again.database("db").tables["cpu"].columns == store.database("db").tables["cpu"].columns


def test_writes_survive_a_kill(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu,host=a v=1 1")
    store.checkpoint()
    store.write("db", "cpu,host=a v=2,w=5i 1\ncpu,host=b v=3 2")
    abandon(store)
    again = open_store(tmp_path)
    assert counts(again) == {"cpu": 2}
    assert values(again, "cpu", "v") == [2.0, 3.0]
    assert values(again, "cpu", "w") == [5, None]
    again.write("db", "cpu,host=c v=4 3")
    abandon(again)
    assert counts(open_store(tmp_path)) == {"cpu": 3}


def test_replayed_rows_are_not_applied_twice_over_newer_ones(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu v=1 1")
    store.write("db", "cpu v=2 1")
    # Merged and on disk, while the log still holds the records.
    store.database("db").tables["cpu"].persist()
    abandon(store)
    again = open_store(tmp_path)
    assert values(again, "cpu", "v") == [2.0]
    assert again.database("db").tables["cpu"]._pending == []


def test_a_record_that_was_cut_short_is_dropped_and_the_earlier_ones_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu v=1 1")
    store.write("db", "cpu v=2 2")
    abandon(store)
    log = max(tmp_path.glob("log/*.wal"))
    log.write_bytes(log.read_bytes()[:-7])
    assert counts(open_store(tmp_path)) == {"cpu": 1}


def test_a_full_disk_fails_the_write_and_spares_the_others(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu v=1 1")
    log = store._folder.log  # type: ignore[union-attr]
    with mock.patch.object(log, "_file", wraps=log._file) as file:
        file.flush.side_effect = OSError(28, "No space left on device")
        with pytest.raises(OSError, match="No space left"):
            store.write("db", "cpu v=2 2")
    store.write("db", "cpu v=3 3")
    abandon(store)
    assert counts(open_store(tmp_path)) == {"cpu": 2}


def test_a_long_log_is_checkpointed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with mock.patch.object(write_ahead_log, "SIZE_LIMIT", 1000):
        store.write("db", "\n".join(f"cpu v={n} {n}" for n in range(500)))
    assert [path.stat().st_size for path in tmp_path.glob("log/*.wal")] == [0]
    abandon(store)
    assert counts(open_store(tmp_path)) == {"cpu": 500}


def test_a_drop_is_not_undone_by_the_log(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu v=1 1\nmem v=1 1")
    store.write("other", "disk v=1 1")
    store.drop_table("db", "cpu")
    store.drop_database("other")
    abandon(store)
    again = open_store(tmp_path)
    assert {name.split("-")[0]: rows for name, rows in counts(again).items() if name != "cpu"} == {"cpu": 1, "mem": 1}
    assert again.database_names() == ["db"]


def test_an_empty_database_is_remembered(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.create_database("empty")
    abandon(store)
    assert open_store(tmp_path).database_names() == ["empty"]


def test_a_reader_keeps_the_files_that_it_reads(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu v=1 1")
    store.checkpoint()
    table = store.database("db").tables["cpu"]
    snapshot = table.snapshot()
    path = snapshot.runs[0].path
    assert path is not None
    store.write("db", "cpu v=2 1")
    store.checkpoint()
    assert path.exists()
    del snapshot
    assert not path.exists()


def test_files_that_a_crash_left_are_cleared_away(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("db", "cpu v=1 1")
    store.close()
    home = next(tmp_path.glob("databases/db/*"))
    (home / "99999999").mkdir()
    assert counts(open_store(tmp_path)) == {"cpu": 1}
    assert not (home / "99999999").exists()


def test_history_stays_in_its_files_when_the_newest_rows_change(tmp_path: Path) -> None:
    with mock.patch.object(merge, "RUN_ROWS", 64):
        store = open_store(tmp_path)
        store.write("db", "\n".join(f"cpu v={n} {n}" for n in range(640)))
        store.checkpoint()
        before = {path.name: path.stat().st_ino for path in tmp_path.glob("databases/db/*/*/*.parquet")}
        store.write("db", "cpu v=0 639")
        store.checkpoint()
        after = {path.name: path.stat().st_ino for path in tmp_path.glob("databases/db/*/*/*.parquet")}
    assert len(before) == 10
    assert len(before.items() & after.items()) == 9


def test_one_folder_has_one_sandbox(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(StorageError, match="in use by another sandbox"):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()


_WRITER = """
import sys
from pathlib import Path
from typing import Any
from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage.persistence import Folder
from influx_lake.sandbox.storage.store import Store
from influx_lake.sandbox.storage import write_ahead_log
write_ahead_log.SIZE_LIMIT = 20_000
store = Store(Folder(Path(sys.argv[1])), Faults())
for number in range(1_000_000):
    store.write("db", "\\n".join(f"cpu,host=h{host} v={number} {number}" for host in range(20)))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = -1
    deadline = time.monotonic() + 60
    for line in writer.stdout:
        acknowledged = int(line)
        # By then several checkpoints have come and gone.
        if acknowledged >= 150:
            os.kill(writer.pid, signal.SIGKILL)
            break
        assert time.monotonic() < deadline
    acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
    writer.wait()
    rows = counts(open_store(tmp_path))["cpu"]
    assert rows in ((acknowledged + 1) * 20, (acknowledged + 2) * 20)
