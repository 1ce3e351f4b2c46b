"""The Parquet files of an InfluxDB 3 Core as a source of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.config.connections.influxdb3_parquet import InfluxDB3ParquetConfig
from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import Column, MeasurementSchema, Role
from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import (
    LakeError,
    MeasurementNotFound,
    SourceError,
    SourceUnavailable,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake.sources.conditions import is_exact
from influx_lake.sources.files.place import path_in_store, store_of
from influx_lake.sources.influxdb3_parquet.index import FooterIndex, FoundFiles, PersistedFile
from influx_lake.sources.influxdb3_parquet.merging import newest_wins, oldest_wins, server_order
from influx_lake.sources.influxdb3_parquet.reading import PointReader, arrow_schema
from influx_lake.sources.influxdb3_parquet.tables import PersistedTables
from influx_lake.sources.listing import Listing
from influx_lake.sources.protocol import ServerInfo

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Times = npt.NDArray[np.int64]
Order = Callable[[Iterable[PersistedFile]], list[PersistedFile]]

_ORDER = {Role.TIME: 0, Role.TAG: 1, Role.FIELD: 2}


class InfluxDB3ParquetSource:
    """The points of one database that an InfluxDB 3 Core has persisted, without those that are only in its log.

    Creating one contacts nothing. Threads may share it.

    Args:
        config: Where the files are, and which of them.
        order: Sorts files with the same points: the values of the last one win.
    """

    def __init__(self, config: InfluxDB3ParquetConfig, order: Order = server_order) -> None:
        self._config = config
        self._order = order
        self._files: dict[str, FoundFiles] = {}

    @property
    def identity(self) -> str:
        location = self._config.location
        place = location if "://" in location else f"file://{location}"
        return f"influxdb3_parquet+{place}#{self._config.database}"

    def __repr__(self) -> str:
        return f"InfluxDB3ParquetSource({self.identity!r})"

    def server(self) -> ServerInfo:
        """Describe the source; checks that the database's folder can be listed."""
        with self._reaching():
            return ServerInfo("InfluxDB 3 Parquet files", f"database {self._tables.database}")

    def measurements(self) -> list[str]:
        return list(self.listing().measurements)

    def listing(self) -> Listing:
        """The tables that hold files. Dropped tables cannot be told apart: their files keep the name from before."""
        with self._reaching():
            return Listing.of_influxdb3(self._tables.names())

    def schema(self, measurement: str) -> MeasurementSchema:
        columns: dict[str, Column] = {}
        found = self._listed(measurement)
        if found.damaged and not found.whole:
            raise copy(found.damaged[0].error).about(measurement)
        for file in found.whole:
            for column in file.footer.columns:
                known = columns.setdefault(column.name, column)
                if known != column:
                    raise self._odd(
                        f"{file.path} has the {column.role} {column.name!r} of type {column.type}, and other files "
                        f"have it as the {known.role} of type {known.type}: these are the files of two tables"
                    ).about(measurement)
        ordered = sorted(columns.values(), key=lambda column: (_ORDER[column.role], column.name))
        return MeasurementSchema(measurement, tuple(ordered))

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        return is_exact(schema, condition)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[FileRows]:
        found = self._files.get(schema.measurement) or self._listed(schema.measurement)
        # Windows that need no damaged file can still be read.
        for damaged in found.damaged:
            if damaged.is_needed(window):
                raise copy(damaged.error).about(schema.measurement, window)
        reader = PointReader(self._store, schema, self._odd, self._order)
        batches = reader.batches(found.whole, window.start_us * 1000, window.end_us * 1000)
        yield FileRows(arrow_schema(schema), self._guarded(batches, schema.measurement, window))

    def count(self, measurement: str, window: Window) -> int:
        """How many points the files hold in the window; only times and tags are read."""
        schema = self.schema(measurement)
        times = MeasurementSchema(measurement, tuple(each for each in schema.columns if each.role is not Role.FIELD))
        with self.read(times, window) as rows:
            return sum(len(batch) for batch in rows)

    def first_time(self, measurement: str) -> datetime | None:
        found = self._listed(measurement)
        if found.damaged:
            # The oldest point may be in it.
            raise copy(found.damaged[0].error).about(measurement)
        first = min((file.min_time for file in found.whole), default=None)
        return from_nanoseconds(first) if first is not None else None

    def spans(self, measurement: str) -> tuple[Times, Times, Times]:
        """The first time, the last time (both in nanoseconds since 1970) and the number of rows of each readable file.

        Raises:
            MeasurementNotFound: There is no such measurement.
            SourceError: The files cannot be listed.
        """
        found = [(each.min_time, each.max_time, each.footer.rows) for each in self._listed(measurement).whole]
        first, last, rows = np.array(found, np.int64).reshape(-1, 3).T
        return first, last, rows

    def version(self, *, newest: bool) -> InfluxDB3ParquetSource:
        """The points with the values that were written last, or first, whatever the server shows."""
        return InfluxDB3ParquetSource(self._config, newest_wins if newest else oldest_wins)

    def close(self) -> None:
        self._files.clear()

    @cached_property
    def _opened(self) -> tuple[FileSystem, str]:
        location = self._config.location
        return store_of(location, self._config.storage_properties()), path_in_store(location)

    @property
    def _store(self) -> FileSystem:
        return self._opened[0]

    @cached_property
    def _tables(self) -> PersistedTables:
        return PersistedTables.find(self._config, *self._opened, self._odd)

    def _listed(self, measurement: str) -> FoundFiles:
        """List the measurement's current files."""
        with self._reaching(measurement):
            folder = self._tables.folder(measurement)
            if folder is None:
                raise MeasurementNotFound(
                    f"{self._where}: no table is named {measurement!r}",
                    remedy="Correct the name, or give the number of its folder: tables: {name: number}",
                ).about(measurement)
            index = FooterIndex(self._store, self._config.index, self._odd)
            self._files[measurement] = index.files(f"{self._config.location}/{folder.path}", folder.files(self._store))
            return self._files[measurement]

    def _guarded(self, batches: Iterator[pa.RecordBatch], measurement: str, window: Window) -> Iterator[pa.RecordBatch]:
        with self._reaching(measurement, window):
            yield from batches

    @property
    def _where(self) -> str:
        return f"the Parquet files below {self._config.location}, database {self._config.database!r}"

    def _odd(self, what: str) -> SourceError:
        return UnexpectedAnswer(
            f"{self._where}: {what}",
            remedy="Restore the file from a copy of the object store; if there is none, move the file away; its points "
            "are then missing from this source",
        )

    @contextmanager
    def _reaching(self, measurement: str | None = None, window: Window | None = None) -> Iterator[None]:
        """Convert errors of the store to those of this project."""
        try:
            yield
        except LakeError as error:
            raise error.about(measurement, window) from None
        except FileNotFoundError as error:
            failure: SourceError = StreamBroken(
                f"{self._where}: a file is gone: {error}", remedy="The server has removed it (retention): load again"
            )
            raise failure.about(measurement, window) from None
        except pa.ArrowInvalid as error:
            raise self._odd(f"a file is damaged: {error}").about(measurement, window) from None
        except OSError as error:
            failure = SourceUnavailable(
                f"{self._where}: cannot be read: {error}", remedy="Check `location` and `storage`, and the store itself"
            )
            raise failure.about(measurement, window) from None


class FileRows:
    """A `RowStream`: the points of one window."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches
