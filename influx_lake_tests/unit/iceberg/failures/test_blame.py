"""Real faults: each is blamed on who failed, with what to do, at once where trying again would not help."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from influx_lake.config import WriteOptions
from influx_lake.errors import (
    CatalogRefused,
    CatalogUnavailable,
    ConfigurationError,
    DataRefused,
    LakeError,
    MissingExtra,
    MissingPackage,
    StorageError,
    StorageUnavailable,
    TableUnsupported,
    UnforeseenError,
    naming,
)
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, replace, rows, stream
from testbed.loads import load_of

NO_STORE = {
    "s3.endpoint": "http://127.0.0.1:1",
    "s3.region": "us-east-1",
    "s3.access-key-id": "a",
    "s3.secret-access-key": "b",
    "s3.connect-timeout": "1",
}


def properties(folder: Path, **others: str) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"{folder}/w", **others}


def load(lake: dict[str, str]) -> None:
    replace(open_catalog("lake", lake), day(0), rows(day(0), 10))


def moved(folder: Path) -> dict[str, str]:
    (folder / "former").mkdir()
    load(properties(folder / "former"))
    (folder / "former").rename(folder / "new")
    return properties(folder / "new")


def third_version(folder: Path) -> dict[str, str]:
    load(properties(folder))
    newest = max((folder / "w").rglob("*.metadata.json"))
    newest.write_text(json.dumps({**json.loads(newest.read_text()), "format-version": 3, "next-row-id": 0}))
    return properties(folder)


def no_database(folder: Path) -> dict[str, str]:
    (folder / "c.db").write_text("This is no database, although it is long enough to have a header of one.\n" * 20)
    return properties(folder)


def damaged_metadata(folder: Path) -> dict[str, str]:
    load(properties(folder))
    newest = max((folder / "w").rglob("*.metadata.json"))
    newest.write_bytes(newest.read_bytes()[:300])
    return properties(folder)


Fault = tuple[Callable[[Path], dict[str, str]], type[LakeError], str]
FAULTS: dict[str, Fault] = {
    "Azure without adlfs": (
        lambda folder: properties(folder, warehouse="abfs://box/lake", **{"adls.account-name": "a"}),
        MissingExtra,
        "pip install 'influx-lake[adls]'",
    ),
    "Google's storage by fsspec without gcsfs": (
        lambda folder: properties(
            folder, warehouse="gs://bucket/lake", **{"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
        ),
        MissingExtra,
        "pip install 'influx-lake[gcs]'",
    ),
    "a token of GCS without expiry": (
        lambda folder: properties(folder, warehouse="gs://bucket/lake", **{"gcs.oauth2.token": "t"}),
        ConfigurationError,
        "gcs.oauth2.token-expires-at",
    ),
    "files at an unknown scheme": (
        lambda folder: properties(folder, warehouse="ftp://host/lake"),
        ConfigurationError,
        "files cannot be stored at ftp://",
    ),
    "a store that is away": (
        lambda folder: properties(folder, warehouse="s3://bucket/lake", **NO_STORE),
        StorageUnavailable,
        "Check that the store runs",
    ),
    "no warehouse": (
        lambda folder: {"type": "sql", "uri": f"sqlite:///{folder}/c.db"},
        ConfigurationError,
        "Set `warehouse`",
    ),
    "an unknown type": (lambda folder: {"type": "nessy", "uri": "http://h"}, ConfigurationError, "Set `type`"),
    "no address": (lambda folder: {"type": "rest"}, ConfigurationError, "Set `uri`"),
    "an address of no web": (lambda folder: {"type": "rest", "uri": "htp://h"}, ConfigurationError, "http://"),
    "no driver": (lambda folder: {"type": "sql", "uri": "mysql+pymysql://h/x"}, MissingPackage, "pip install pymysql"),
    "MySQL's own driver": (lambda folder: {"type": "sql", "uri": "mysql://h/x"}, MissingPackage, "install mysqlclient"),
    "MySQL's driver in Python": (
        lambda folder: {"type": "sql", "uri": "mysql+mysqlconnector://h/x"},
        MissingPackage,
        "pip install mysql-connector-python",
    ),
    "an unknown database": (lambda folder: {"type": "sql", "uri": "nosuch://h/x"}, ConfigurationError, "'nosuch'"),
    "a catalog that is away": (
        lambda folder: {"type": "sql", "uri": "postgresql+psycopg2://u:p@127.0.0.1:1/x"},
        CatalogUnavailable,
        "Check that the catalog runs",
    ),
    "a moved folder": (moved, StorageError, "ln -s NEW FORMER"),
    "a table of version 3": (third_version, TableUnsupported, "format version 3"),
    "no database": (no_database, CatalogRefused, "is no SQLite database"),
    "damaged metadata": (damaged_metadata, StorageError, "metadata file of the table is damaged"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_at_once_and_blamed_on_who_failed(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("adlfs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    # Which another test may have imported, with adlfs.
    monkeypatch.delitem(sys.modules, "influx_lake.object_stores.azure", raising=False)
    cause, kind, words = FAULTS[fault]
    lake = cause(tmp_path)
    began = time.monotonic()
    with pytest.raises(LakeError) as raised:
        load(lake)
    assert time.monotonic() - began < 40
    assert isinstance(raised.value, kind)
    assert words in str(raised.value)
    if not isinstance(raised.value, CatalogUnavailable):
        assert "catalog runs" not in str(raised.value)


LOCKING = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("begin " + sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["immediate", "exclusive"])
def test_a_locked_catalog_says_so_within_the_time_for_commits(kind: str, tmp_path: Path) -> None:
    catalog = open_catalog("lake", properties(tmp_path))
    target = changed(TARGET, write=WriteOptions(commit_timeout=timedelta(seconds=2)))
    command = [os.sys.executable, "-c", LOCKING, str(tmp_path / "c.db"), kind]  # type: ignore[attr-defined]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(CatalogUnavailable, match="holds the lock of the catalog's database") as raised:
            replace(catalog, day(0), rows(day(0), 10), target=target)
        took = time.monotonic() - began
        other.communicate("")
    assert took < 20
    assert "fuser" in str(raised.value)
    assert replace(catalog, day(0), rows(day(0), 10), target=target).rows == 10


@pytest.fixture
def small_temporary_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "temporary"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    # The error that was raised still holds a file that is open.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("merge_fields", [False, True])
def test_a_full_temporary_disk_is_no_full_warehouse(
    merge_fields: bool, tmp_path: Path, small_temporary_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influx_lake.row_buffer.IN_MEMORY_BYTES", 50_000)
    monkeypatch.setattr("influx_lake.iceberg.spill.sorted_int64_set.RUN", 5_000)
    catalog = open_catalog("lake", properties(tmp_path))
    target = changed(TARGET, key=("host", "count"))
    with pytest.raises(StorageError, match="TMPDIR") as raised:
        upsert_window(
            load_of(catalog, target, stream(rows(day(0), 200_000)), day(0), PROVENANCE, merge_fields=merge_fields)
        )
    assert str(small_temporary_disk) in str(raised.value)
    assert "warehouse" not in str(raised.value)


def test_without_temporary_files_commits_go_on_without_their_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert replace(open_catalog("lake", properties(tmp_path)), day(0), rows(day(0), 10)).rows == 10


def test_what_nobody_foresaw_is_reported_as_it_is() -> None:
    with (
        pytest.raises(UnforeseenError, match=r"measurement cpu, window .*: ZeroDivisionError: division by zero"),
        naming("cpu", day(0)),
    ):
        1 / 0  # noqa: B018


def test_a_database_that_is_only_being_read_can_be_opened(tmp_path: Path) -> None:
    load(properties(tmp_path))
    with closing(sqlite3.connect(tmp_path / "c.db", isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from iceberg_tables").fetchall()
        open_catalog("lake", properties(tmp_path))


def test_a_text_that_is_not_utf8_is_the_rows_own_fault(tmp_path: Path) -> None:
    odd = pa.array([b"\xff\xfe"] * 10).view(pa.string())
    given = rows(day(0), 10)
    for column in (odd, odd.dictionary_encode()):
        with pytest.raises(DataRefused, match=r"column 'note' of the rows for .* has a string that is not UTF-8"):
            replace(open_catalog("lake", properties(tmp_path)), day(0), given.append_column("note", column))


def called_in(modules: Sequence[str], function: Callable[[], object]) -> Callable[[], object]:
    """A function that is called by one of each module, the first one outermost."""
    for module in reversed(modules):
        names: dict[str, Any] = {"__name__": module, "inner": function}
        exec("def outer(): return inner()", names)
        function = names["outer"]
    return function


@pytest.mark.parametrize(
    ("modules", "error"),
    [
        (["pyiceberg.io.pyarrow"], UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")),
        (["pyiceberg.io.pyarrow", "influx_lake.sources.any"], ValueError("no time at all")),
    ],
    ids=["text that is not UTF-8", "raised by the source"],
)
def test_the_store_is_not_blamed_for_what_is_written(modules: Sequence[str], error: ValueError) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(UnforeseenError), catalog_errors("write files of t.cpu"):
        called_in(modules, fails)()


def test_the_store_is_blamed_for_what_it_refuses() -> None:
    def fails() -> None:
        raise ValueError("no such setting")

    with pytest.raises(StorageError, match="the store's settings or path"), catalog_errors("write files of t.cpu"):
        called_in(["influx_lake.sources.any", "pyiceberg.io.pyarrow"], fails)()
