"""Files that are not what they seem are named as what they are, before any of their records is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import LandingZoneConfig
from influx_lake.errors import FileUnreadable
from influx_lake.sources import Source, open_source
from influx_lake.sources.files import FilePlace
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.files.file_check import check_text, compression_of
from influx_lake_tests.unit.sources.line_files import line_source, rows_of

NOW = 1748736000
LINES = "".join(f"cpu,host=ä v={number} {NOW}{number:09}\n" for number in range(50)).encode()


def zone(folder: Path, name: str, content: bytes, **options: Any) -> Source:
    """A landing zone of one file."""
    file = folder / "in/2025/06/01" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    given = {"type": "landing_zone", "path": f"{folder}/in/{{year}}/{{month}}/{{day}}", "database": "telemetry",
             "staging": str(folder / "staging"), "tags": ["host"], **options}  # fmt: skip
    return open_source(LandingZoneConfig.model_validate(given))


def tarred(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("a.lp")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (LINES.decode().encode("utf-16"), "UTF-16"),
        (LINES.decode().encode("utf-16-le"), "UTF-16"),
        (LINES.decode().encode("utf-16-be"), "UTF-16"),
        (LINES.decode().encode("utf-32"), "UTF-32"),
        (bz2.compress(LINES), "compressed with bzip2"),
        (zlib.compress(LINES), "compressed with zlib"),
        (zlib.compress(LINES, 1), "compressed with zlib"),
        (lzma.compress(LINES), "compressed with xz"),
        (pa.compress(LINES, "lz4", asbytes=True), "compressed with lz4"),
        (b"PK\x03\x04" + LINES, "compressed with zip"),
        (gzip.compress(gzip.compress(LINES)), "compressed twice"),
        (pa.compress(zlib.compress(LINES), "zstd", asbytes=True), "compressed twice"),
        (tarred(LINES), "tar archive"),
        (gzip.compress(tarred(LINES)), "tar archive"),
        (gzip.compress(LINES.decode().encode("utf-16")), "UTF-16"),
        (b"PAR1\x15\x04\x15" + LINES, "Parquet"),
        (b"Obj\x01\x04\x16avro.schema", "Avro"),
        (b"\x16\xd1\x16\xd1\x01" + LINES, "TSM file"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "page of HTML or XML"),
        (b"\n<!DOCTYPE html>\n<html>", "page of HTML or XML"),
        (bytes(4096), "NUL bytes"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, named: str) -> None:
    (tmp_path / "a.lp").write_bytes(content)
    with pytest.raises(FileUnreadable, match=named) as caught:
        line_source(tmp_path, max_bad_lines=1000).measurements()
    assert str(tmp_path / "a.lp") in str(caught.value)
    for kind in ("json", "csv"):
        with pytest.raises(FileUnreadable, match=named):
            zone(tmp_path, f"a.{kind}", content, format=kind, max_bad_lines=1000).schema("cpu")
        (tmp_path / "in/2025/06/01" / f"a.{kind}").unlink()


@given(st.text(min_size=1).map(str.encode))
def test_text_is_text(head: bytes) -> None:
    if b"\0" in head or head.lstrip().lower().startswith((b"<", b"\xef\xbb\xbf<")):
        return
    assert compression_of(head, "a") is None
    check_text(head, "a")


@pytest.mark.parametrize(
    "line", [b"PAR1,a=b v=1 5\n", b"ORCHARD v=1 5\n", b"BZh v=1 5\n", b"x^a,b=c v=1 5\n", b"%PDF-1 v=1 5\n"]
)
def test_measurements_may_be_called_like_the_begin_of_other_files(line: bytes) -> None:
    assert compression_of(line, "a") is None
    check_text(line, "a")


@pytest.mark.parametrize("name", ["a.lp", "a.lp.gz", "a.lp.zst"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + LINES,
        gzip.compress(LINES[:1000]) + gzip.compress(LINES[1000:]),
        gzip.compress(b"\xef\xbb\xbf" + LINES),
        pa.compress(LINES, "zstd", asbytes=True),
        LINES.replace(b"\n", b"\r\n"),
        LINES[:200] + b"\n\n\r\n" + LINES[200:] if LINES[199:200] == b"\n" else LINES,
    ],
    ids=["mark", "two members", "mark in gzip", "zstd", "crlf", "blank lines"],
)  # fmt: skip
def test_a_name_says_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    source = line_source(tmp_path)
    assert source.measurements() == ["cpu"]
    rows = rows_of(source, "cpu")
    assert [row["v"] for row in rows] == list(range(50))
    assert {row["host"] for row in rows} == {"ä"}
    source.close()


def test_a_compressed_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.lp"
    for packed in (gzip.compress(LINES), pa.compress(LINES, "zstd", asbytes=True)):
        for end in range(4, len(packed)):
            file.write_bytes(packed[:end])
            [stored] = FilePlace(str(file), {}).files()
            with (
                pytest.raises(FileUnreadable, match=r"a\.lp.*cut off"),
                stored.open() as stream,
                file_errors(stored.uri),
            ):
                stream.read()


def test_a_byte_of_a_compressed_file_that_changed_is_noticed(tmp_path: Path) -> None:
    file, packed = tmp_path / "a.lp", gzip.compress(LINES, mtime=0)
    refused = 0
    # The first bytes say what the file is, and when it was packed.
    for place in range(10, len(packed)):
        file.write_bytes(packed[:place] + bytes([packed[place] ^ 0xFF]) + packed[place + 1 :])
        [stored] = FilePlace(str(file), {}).files()
        with (
            pytest.raises(FileUnreadable, match=r"a\.lp.*damaged, or cut off"),
            stored.open() as stream,
            file_errors(stored.uri),
        ):
            assert stream.read() != LINES
        refused += 1
    assert refused == len(packed) - 10


@pytest.mark.slow
def test_small_files_that_grow_are_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_document": 10_000, "max_expansion": 100}
    for text, option in [(b" " * 70_000_000, "max_document"), (b"\n" * 100_000, "max_expansion")]:
        content = gzip.compress(text)
        (tmp_path / "a.lp").write_bytes(content)
        with pytest.raises(FileUnreadable, match=option):
            line_source(tmp_path, **(options if option == "max_expansion" else {})).measurements()
        for kind in ("json", "csv"):
            with pytest.raises(FileUnreadable, match=option):
                zone(
                    tmp_path, f"a.{kind}", content, format=kind, **(options if option == "max_expansion" else {})
                ).schema("cpu")
            (tmp_path / "in/2025/06/01" / f"a.{kind}").unlink()
    (tmp_path / "a.lp").write_bytes(gzip.compress(LINES + b"\n" * 100_000))
    source = line_source(tmp_path, **options | {"max_expansion": 10_000})
    assert len(rows_of(source, "cpu")) == 50
    source.close()


def test_markers_hidden_and_empty_files_are_no_data(tmp_path: Path) -> None:
    record = json.dumps({"name": "cpu", "timestamp": NOW, "fields": {"v": 1.5}}).encode() + b"\n"
    source = zone(tmp_path, "a.json", record)
    for name in ("_SUCCESS", ".a.json.crc", "a.json.crc", "_committed_12", ".hidden.json"):
        (tmp_path / "in/2025/06/01" / name).write_bytes(b"no data \xff")
    (tmp_path / "in/2025/06/01/empty.json").touch()
    assert [row["v"] for row in rows_of(source, "cpu")] == [1.5]
    source.close()
    (tmp_path / "b.lp").write_bytes(LINES)
    for name in ("_SUCCESS.lp", ".b.lp.crc", "b.lp.crc", "empty.lp", "_temporary/0/b.lp", "x/.part.lp"):
        (tmp_path / "lines" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lines" / name).write_bytes(b"" if name == "empty.lp" else b"no data \xff")
    (tmp_path / "lines/a.lp").write_bytes(LINES)
    for path in ("lines", "lines/*", "lines/**"):
        source = line_source(tmp_path, str(tmp_path / path))
        assert len(rows_of(source, "cpu")) == 50, path
        source.close()
    (tmp_path / "lines/_named.lp").write_bytes(LINES)
    for path in ("lines/_named.lp", "lines/_n*"):
        source = line_source(tmp_path, str(tmp_path / path))
        assert len(rows_of(source, "cpu")) == 50, "who asks for it gets it"
        source.close()
