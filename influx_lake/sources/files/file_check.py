"""Detects what a file is by its first bytes, before its records are read, since names may be wrong.

Text is accepted plain or compressed with gzip or zstd, in UTF-8, with or without a byte order mark. Any other format is
named in the error, with the remedy: bytes of another format can look like a line or two of text.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.errors import FileUnreadable

if TYPE_CHECKING:
    from pyarrow import NativeFile

HEAD_BYTES = 512
"""How many bytes are read for detection."""
UTF8_MARK = b"\xef\xbb\xbf"
PARQUET_MAGIC = b"PAR1"

_READ = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_OTHER_COMPRESSIONS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\x1f\x9d": "compress",
    b"\x89LZO": "lzop",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
_BINARY = {
    PARQUET_MAGIC: "Parquet",
    b"PARE": "encrypted Parquet",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"ARROW1": "Arrow IPC",
    b"\xff\xff\xff\xff": "an Arrow IPC stream",
    b"\x16\xd1\x16\xd1": "a TSM file of InfluxDB, which `influx_inspect export` writes as line protocol",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x89HDF\r\n": "HDF5",
    b"%PDF-": "PDF",
}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x80-\xff]")
"""Text may begin with a magic that consists of letters; binary files have such bytes near it."""
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_WITHOUT_MARK = {
    "UTF-32": re.compile(rb"(?:(?:[^\x00]\x00{3})+|(?:\x00{3}[^\x00])+)", re.DOTALL),
    "UTF-16": re.compile(rb"(?:(?:[^\x00]\x00)+|(?:\x00[^\x00])+)", re.DOTALL),
}
"""Latin letters in these encodings, in either byte order."""
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<error>")
_TAR_PLACE = slice(257, 262)


@dataclass(frozen=True, slots=True)
class _Finding:
    """The format of a file that cannot be read, and the remedy."""

    what: str
    remedy: str


def compression_of(head: bytes, uri: str) -> str | None:
    """The compression of a file.

    Args:
        head: The file's first bytes.
        uri: The file, for the message.

    Returns:
        `gzip` or `zstd`; None where it is not compressed.

    Raises:
        FileUnreadable: The file has another compression.
    """
    for magic, name in _READ.items():
        if head.startswith(magic):
            return name
    if _ZSTD_SKIPPABLE.match(head):
        return "zstd"
    if other := _other_compression(head):
        raise FileUnreadable(
            f"{uri} is compressed with {other}, which is not supported",
            remedy="Compress it with gzip or zstd, or leave it plain",
        )
    return None


def check_text(head: bytes, uri: str) -> None:
    """Check that a file may be text.

    Args:
        head: Its first bytes, decompressed.
        uri: The file, for the message.

    Raises:
        FileUnreadable: It is not text, or not in UTF-8.
    """
    if (finding := _finding(head)) is not None:
        raise FileUnreadable(f"{uri} {finding.what}", remedy=finding.remedy)


def check_parquet(file: NativeFile, uri: str) -> None:
    """Check that a file is Parquet, by its magic bytes and footer.

    Args:
        file: The file, with random access.
        uri: The file, for the message.

    Raises:
        FileUnreadable: It has another format, or no footer.
    """
    size = file.size()
    ends = bytes(file.read_at(min(size, HEAD_BYTES), 0)), bytes(file.read_at(min(size, 4), max(0, size - 4)))
    if not ends[0].startswith(PARQUET_MAGIC):
        compression_of(ends[0], uri)
        finding = _finding(ends[0])
        is_packed = any(ends[0].startswith(magic) for magic in _READ)
        what = "is compressed as a whole" if is_packed else finding.what if finding else "has no magic bytes of Parquet"
        raise FileUnreadable(f"{uri} is not Parquet: it {what}", remedy="Write it as Parquet, or correct `format`")
    if ends[1] != PARQUET_MAGIC:
        raise FileUnreadable(
            f"{uri} has no Parquet footer: it is still being written, or truncated",
            remedy="Wait until it is complete, or write it again: windows that do not need it are loaded",
        )


def _finding(head: bytes) -> _Finding | None:
    text = head.removeprefix(UTF8_MARK)
    if (encoding := _encoding(text)) is not None:
        return _Finding(f"is in {encoding}, and not in UTF-8", "Write it in UTF-8 (iconv -t UTF-8)")
    if any(text.startswith(magic) for magic in _READ) or _other_compression(text):
        return _Finding("is compressed twice", "Compress it once")
    return _other_format(text)


def _other_format(text: bytes) -> _Finding | None:
    for magic, name in _BINARY.items():
        if text.startswith(magic) and _NO_TEXT.search(text):
            return _Finding(f"is {name}, and not text", "Correct `path`, `format` or `type`, or write the file as text")
    if text[_TAR_PLACE] == b"ustar":
        return _Finding("is a tar archive", "Unpack it")
    if text.lstrip().lower().startswith(_PAGES):
        return _Finding(
            "is a page of HTML or XML: a server's response that was saved instead of the file", "Get the file again"
        )
    if text and not text.strip(b"\x00"):
        return _Finding("begins with NUL bytes: space that was never written", "Write or copy it again")
    return None


def _encoding(head: bytes) -> str | None:
    marked = (name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark))
    letters = head[: len(head) // 4 * 4][:32]
    written = (name for name, form in _WITHOUT_MARK.items() if form.fullmatch(letters))
    return next(marked, None) or next(written, None)


def _other_compression(head: bytes) -> str | None:
    if _is_zlib(head):
        return "zlib"
    found = (name for magic, name in _OTHER_COMPRESSIONS.items() if head.startswith(magic))
    return next((name for name in found if _NO_TEXT.search(head)), None)


def _is_zlib(head: bytes) -> bool:
    """Whether it is a zlib stream: its first two bytes alone may be letters."""
    if len(head) < 8 or head[0] & 0x0F != 8 or int.from_bytes(head[:2], "big") % 31:
        return False
    try:
        zlib.decompressobj().decompress(head)
    except zlib.error:
        return False
    return True
