"""Files of line protocol."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from influx_lake.cli.demo import line_files
from influx_lake.cli.demo.line_files import read_lines
from influx_lake.errors import ConfigurationError

TEXT = """# a comment
cpu value=1 1\r

  \nlog text="two
lines, and # no comment",n=1i 2
m,tag=5" value=3 3
last value=4"""
POINTS = ["cpu value=1 1", 'log text="two\nlines, and # no comment",n=1i 2', 'm,tag=5" value=3 3', "last value=4"]


@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
@pytest.mark.parametrize("packed", [False, True])
def test_points_come_whole(tmp_path: Path, at_once: int, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_files, "_LINES_AT_ONCE", at_once)
    path = tmp_path / "points.lp"
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    assert list(read_lines(path)) == POINTS


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"cpu \xff\xfe 1", "not text"), (gzip.compress(b"cpu v=1 1" * 99)[:-20], "cannot be read")],
    ids=["not text", "cut short"],
)
def test_what_is_no_line_protocol(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "points.lp"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        list(read_lines(path))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        list(read_lines(tmp_path / "missing.lp"))
