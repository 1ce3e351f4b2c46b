"""The bytes of files, read ahead while the last ones are still being worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from influx_lake.errors import SourceTimeout
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.files.place import StoredFile
from influx_lake.sources.prefetch import Prefetch, Stalled

CHUNK_BYTES = 8 << 20
_AHEAD = 2
_PATIENCE_SECONDS = 300.0


@contextmanager
def read_chunks(file: StoredFile) -> Iterator[Iterator[bytes]]:
    """The bytes of a file in chunks, without compression.

    Raises:
        SourceError: While iterating: it cannot be read to its end.
    """
    with Prefetch(
        _chunks(file), cancel=lambda: None, depth=_AHEAD, patience=_PATIENCE_SECONDS, name="influx-lake-file"
    ) as chunks:
        yield _patient(chunks, file)


def _patient(chunks: Iterator[bytes], file: StoredFile) -> Iterator[bytes]:
    try:
        yield from chunks
    except Stalled as error:
        raise SourceTimeout(f"nothing came of {file.uri} for {_PATIENCE_SECONDS:.0f} seconds") from error


def _chunks(file: StoredFile) -> Generator[bytes, None, None]:
    with file.open() as stream, file_errors(file.uri):
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
