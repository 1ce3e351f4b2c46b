"""What every source can do, whatever it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself."""

    product: str
    version: str


class Source(Protocol):
    """Rows out of one database.

    Every method raises a `SourceError` of the class that says what can be done about it; none turns a failure into an
    empty answer.
    """

    @property
    def identity(self) -> str:
        """Which database this is, without credentials: `influxdb3://host:8181/telemetry`. Kept in every commit."""
        ...

    def server(self) -> ServerInfo:
        """Ask the server who it is, with the token: proves address and credentials."""
        ...

    def measurements(self) -> list[str]:
        """The names of the database's measurements, sorted."""
        ...

    def schema(self, measurement: str) -> MeasurementSchema:
        """The measurement's columns as the server declares them.

        Raises:
            MeasurementNotFound: There is no such measurement.
        """
        ...

    def read(self, schema: MeasurementSchema, window: Window) -> AbstractContextManager[RowStream]:
        """Stream the window's rows; leaving the context cancels what is still running.

        Args:
            schema: What `schema` declared, or a projection of it (`MeasurementSchema.select`): what it leaves out is
                not asked for. Its condition has to be one that the source takes (`sources.conditions.takes`).
            window: The window.
        """
        ...

    def count(self, measurement: str, window: Window) -> int:
        """How many rows the server holds for the window."""
        ...

    def first_time(self, measurement: str) -> datetime | None:
        """The time of the measurement's oldest point, cut to the microsecond; None where it has none."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class RowStream(Protocol):
    """The rows of one window, as record batches with the columns of `schema`, in order, and none without rows.

    Types: tags and strings `string` (or a dictionary of it), `int64`, `uint64`, `double`, `bool`, and
    `timestamp[ns]` without a zone for UTC.
    """

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...
