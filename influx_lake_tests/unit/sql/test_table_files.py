"""Files of tables as DuckDB gets them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pyiceberg.io.fsspec import FsspecFileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from influx_lake.sql.table_files import StoredFile, TableFiles

CONTENT = bytes(range(256))


@pytest.mark.parametrize("store", [PyArrowFileIO({}), FsspecFileIO({})], ids=["pyarrow", "fsspec"])
def test_each_thread_has_a_place_of_its_own(store: PyArrowFileIO | FsspecFileIO, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    file = StoredFile(store, f"file://{tmp_path}/f")
    assert file.size == len(CONTENT)
    file.seek(10)
    thread = threading.Thread(target=lambda: file.seek(200))
    thread.start()
    thread.join()
    assert file.read(3) == CONTENT[10:13]
    assert file.tell() == 13
    assert file.seek(-6, 2) == 250
    assert file.read() == CONTENT[250:]
    assert file.read(5) == b""
    file.close()


def test_nothing_but_tables_is_read_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/f").write_bytes(CONTENT)
    files = TableFiles("file")
    files.serve(f"file://{tmp_path}/cpu/", PyArrowFileIO({}))
    here = f"file://{tmp_path}/cpu/f"
    assert files.open(here).read() == CONTENT
    assert files.size(here) == len(CONTENT)
    assert files.exists(here)
    for mode in ("wb", "ab", "r+b"):
        with pytest.raises(PermissionError, match="only read"):
            files.open(here, mode)
    for elsewhere in (f"file://{tmp_path}/mem/f", "file:///etc/passwd"):
        with pytest.raises(PermissionError, match="no file of a table"):
            files.open(elsewhere)
