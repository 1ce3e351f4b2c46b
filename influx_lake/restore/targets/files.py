"""Writes files of line protocol, one for each window, each renamed into place when complete."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from influx_lake.config.connections import LineProtocolConfig
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound, StorageError
from influx_lake.restore.delivery.batch import Batch, Refused
from influx_lake.restore.delivery.journal import Journal
from influx_lake.restore.delivery.rate_limit import Pace
from influx_lake.restore.targets.compression import Packing
from influx_lake.sources import RowStream, open_source

_HEAD = "# DML\n# CONTEXT-DATABASE:{database}\n# CONTEXT-RETENTION-POLICY:autogen\n"
"""The header that `influx -import` of InfluxDB 1 needs; comments to other readers."""
_GZIP_LEVEL = 4
_NOTHING = np.empty(0, np.int64)


@dataclass(slots=True)
class FolderTarget:
    """Writes the points of each window to a file, which appears under its name when complete.

    Attributes:
        folder: The folder.
        packing: The compression.
        measurement: The measurement's name in the lines.
        database: The database in the files' headers, for `influx -import`.
        journal: The journal of acknowledged points.
        pace: The rate limit.
        on_acknowledged: Called with each batch written.
    """

    folder: Path
    packing: Packing
    measurement: str
    database: str
    journal: Journal
    pace: Pace
    on_acknowledged: Callable[[Batch, tuple[Refused, ...]], None] = lambda batch, refused: None
    _file: _PackedFile | None = field(default=None, init=False)
    _refused: list[Refused] = field(default_factory=list, init=False)
    _end: int = field(default=0, init=False)

    def path(self, window: Window) -> Path:
        """The path of a window's file."""
        return file_of(self.folder, self.packing, self.measurement, window)

    def take(self, batch: Batch) -> None:
        """Append a batch to the file of its window.

        Raises:
            StorageError: They cannot be written.
        """
        time.sleep(self.pace.wait(len(batch), len(batch.body)))
        with _file_errors(self.path(batch.window), "write"):
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = _PackedFile(self.path(batch.window), self.packing)
                if self.database.isprintable():
                    self._file.write(_HEAD.format(database=self.database).encode())
            self._file.write(batch.body)
        self._refused += batch.refused
        self._end = batch.end
        self.on_acknowledged(batch, batch.refused)

    def finish(self, window: Window) -> None:
        """Complete the file of a window and rename it into place."""
        if self._file is None:
            return
        with _file_errors(self.path(window), "finish"):
            self._file.finish()
        self._file = None
        none = Batch(window, 0, self._end, b"", _NOTHING, _NOTHING)
        self.journal.acknowledge(none, tuple(self._refused))
        self._refused = []

    def drain(self) -> None:
        """Does nothing: `finish` completes files."""

    def close(self) -> None:
        """Delete an incomplete file."""
        if self._file is not None:
            self._file.drop()
            self._file = None


def file_of(folder: Path, packing: Packing, measurement: str, window: Window) -> Path:
    """The path of the file for a window."""
    begin, end, name = _compact(window.start), _compact(window.end), safe_table_name(measurement)
    if name != measurement:
        name = f"{name}-{hashlib.sha256(measurement.encode()).hexdigest()[:8]}"
    return folder / f"{name}_{begin}_{end}{packing.ending}"


class FilesReadBack:
    """A source that reads the written files back.

    Args:
        files: The files.
        database: The database that they name.
    """

    def __init__(self, files: Sequence[Path], database: str) -> None:
        self._staging = tempfile.TemporaryDirectory(prefix="influx-lake-")
        options = {
            "type": "line_protocol",
            "path": [glob.escape(str(file)) for file in files],
            "database": database,
            "staging": self._staging.name,
        }
        self._source = open_source(LineProtocolConfig.model_validate(options)) if files else None

    def schema(self, measurement: str) -> MeasurementSchema:
        """The columns of a measurement, inferred from its points.

        Raises:
            MeasurementNotFound: The files have no points of it.
        """
        if self._source is None:
            raise MeasurementNotFound(f"no file holds a point of {measurement!r}")
        return self._source.schema(measurement)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        """The points of a window."""
        if self._source is None:
            raise MeasurementNotFound(f"no file holds a point of {schema.measurement!r}")
        with self._source.read(schema, window) as rows:
            yield rows

    def close(self) -> None:
        """Delete the temporary files of parsing."""
        if self._source is not None:
            self._source.close()
        self._staging.cleanup()


def _compact(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}" + (f".{moment.microsecond:06}" if moment.microsecond else "") + "Z"


class _Stream(Protocol):
    def write(self, data: bytes, /) -> object: ...

    def close(self) -> None: ...


class _PackedFile:
    """A compressed file that is renamed into place when complete."""

    def __init__(self, path: Path, packing: Packing) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._stream = _packed_stream(self._part, packing)

    def write(self, text: bytes) -> None:
        self._stream.write(text)

    def finish(self) -> None:
        self._stream.close()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)

    def drop(self) -> None:
        self._stream.close()
        self._part.unlink(missing_ok=True)


def _packed_stream(path: Path, packing: Packing) -> _Stream:
    match packing:
        case Packing.GZIP:
            # Arrow's gzip uses the highest level: nine times the time for a seventh less size.
            return gzip.open(path, "wb", compresslevel=_GZIP_LEVEL)
        case Packing.ZSTD:
            stream: _Stream = pa.output_stream(str(path), compression="zstd")
            return stream
        case Packing.NONE:
            return path.open("wb")


@contextmanager
def _file_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"could not {what} {path}: {error}", remedy="Make room there, or write into another folder"
        ) from None
