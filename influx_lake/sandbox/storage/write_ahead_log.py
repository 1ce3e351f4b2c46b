"""The write-ahead log: acknowledged writes as checksummed records that survive a crash."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from influx_lake.private_folders import make_private

SIZE_LIMIT = 16 * 1024 * 1024
_HEAD = struct.Struct("<QIQI")


class Record(NamedTuple):
    """The rows that one write added to one measurement."""

    sequence: int
    database: str
    measurement: str
    rows: pa.Table


class WriteAheadLog:
    """A folder of log files. Call `replay` to its end, then `start`, before anything else."""

    def __init__(self, folder: Path) -> None:
        make_private(folder)
        self._folder = folder
        self._lock = threading.Lock()
        self._sequence = 0
        self._size = 0

    @property
    def is_long(self) -> bool:
        """Whether a checkpoint is due."""
        return self._size > SIZE_LIMIT

    def replay(self) -> Iterator[Record]:
        """Read the records of earlier processes."""
        for path in self._files():
            for record in _records(path):
                self._sequence = max(self._sequence, record.sequence)
                yield record

    def start(self, sequence: int) -> None:
        """Begin a file; records are numbered after `sequence` and after the replayed ones."""
        self._sequence = max(self._sequence, sequence)
        self._open()

    def append(self, database: str, measurement: str, rows: pa.Table) -> int:
        """Pass one record to the operating system and return its sequence number."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        names = json.dumps([database, measurement]).encode()
        payload = sink.getvalue()
        check = zlib.crc32(payload, zlib.crc32(names))
        with self._lock:
            sequence = self._sequence + 1
            try:
                self._file.write(_HEAD.pack(sequence, len(names), payload.size, check) + names)
                self._file.write(payload)
                self._file.flush()
            except OSError:
                # A partial record would hide the following ones from a replay.
                self._file.truncate(self._size)
                raise
            self._sequence = sequence
            self._size += _HEAD.size + len(names) + payload.size
        return sequence

    def rotate(self) -> list[Path]:
        """Begin a new file and return the earlier ones."""
        with self._lock:
            old = self._files()
            self._file.close()
            self._open()
            return old

    def discard(self, files: Sequence[Path]) -> None:
        """Delete files whose rows are all in Parquet."""
        for path in files:
            path.unlink()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> None:
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        self._file = (self._folder / f"{number:08}.wal").open("ab")
        self._size = 0

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.wal"))


def _records(path: Path) -> Iterator[Record]:
    """The complete records of a file, up to the first one truncated by a crash."""
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            sequence, names_size, payload_size, check = _HEAD.unpack(head)
            names, payload = file.read(names_size), file.read(payload_size)
            if zlib.crc32(payload, zlib.crc32(names)) != check:
                return
            database, measurement = json.loads(names)
            yield Record(sequence, database, measurement, pa.ipc.open_stream(payload).read_all())
