"""Reads the bytes of files ahead of their processing."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from influx_lake.errors import SourceTimeout
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.files.file_check import HEAD_BYTES, check_text
from influx_lake.sources.files.limits import FileLimits
from influx_lake.sources.files.place import StoredFile
from influx_lake.sources.prefetch import Prefetch, Stalled

CHUNK_BYTES = 8 << 20
_AHEAD = 2
_PATIENCE_SECONDS = 300.0


@contextmanager
def read_chunks(file: StoredFile, limits: FileLimits, offset: int = 0) -> Iterator[Iterator[bytes]]:
    """A context with the bytes of a text file in chunks, decompressed.

    Args:
        file: The file.
        limits: What it may unpack to.
        offset: The byte to begin at, of a file that is not compressed.

    Raises:
        SourceError: While iterating: the file cannot be read completely, is not text, or expands too much.
    """
    with Prefetch(
        _chunks(file, limits, offset),
        cancel=lambda: None,
        depth=_AHEAD,
        patience=_PATIENCE_SECONDS,
        name="influx-lake-file",
    ) as chunks:
        yield _patient(chunks, file)


def numbered_lines(chunks: Iterable[bytes], uri: str, limits: FileLimits) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, from 1. Each has its line break; only the last one may lack it.

    Raises:
        FileUnreadable: While iterating: a line is too long.
    """
    number, pending, size = 1, list[bytes](), 0
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join([*pending, end, b"\n"]) if pending else end + b"\n"
            limits.check_line(len(line), uri, number)
            yield number, line
            number += 1
            if pending:
                pending, size = [], 0
        if rest:
            pending.append(rest)
            size += len(rest)
            limits.check_line(size, uri, number)
    if pending:
        yield number, b"".join(pending)


def _patient(chunks: Iterator[bytes], file: StoredFile) -> Iterator[bytes]:
    try:
        yield from chunks
    except Stalled as error:
        raise SourceTimeout(f"no data of {file.uri} arrived for {_PATIENCE_SECONDS:.0f} seconds") from error


def _chunks(file: StoredFile, limits: FileLimits, offset: int) -> Generator[bytes, None, None]:
    size = 0
    with file.open(offset) as stream, file_errors(file.uri):
        while chunk := stream.read(CHUNK_BYTES):
            if not size and not offset:
                check_text(chunk[:HEAD_BYTES], file.uri)
            size += len(chunk)
            limits.check_expansion(size, file.size, file.uri)
            yield chunk
