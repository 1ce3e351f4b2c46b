"""The interface of all sources."""

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
    """The product and version that a server reports."""

    product: str
    version: str


class Source(Protocol):
    """Rows of one database.

    Every method raises a `SourceError` whose class tells what can be done about it; none turns a failure into an empty
    result.
    """

    @property
    def identity(self) -> str:
        """The address of the database, without credentials: `influxdb3://host:8181/telemetry`. Recorded in every
        commit.
        """
        ...

    def server(self) -> ServerInfo:
        """Ask the server for its product and version, with the token: checks address and credentials."""
        ...

    def measurements(self) -> list[str]:
        """The names of the database's measurements, sorted."""
        ...

    def schema(self, measurement: str) -> MeasurementSchema:
        """The measurement's columns as declared by the server.

        Raises:
            MeasurementNotFound: There is no such measurement.
        """
        ...

    def read(self, schema: MeasurementSchema, window: Window) -> AbstractContextManager[RowStream]:
        """Stream the window's rows; leaving the context cancels the query.

        Args:
            schema: The result of `schema`, or a projection of it (`MeasurementSchema.select`): other columns are not
                requested. Its condition has to be one that the source supports (`sources.conditions.takes`).
            window: The window.
        """
        ...

    def count(self, measurement: str, window: Window) -> int:
        """How many rows the server holds in the window."""
        ...

    def first_time(self, measurement: str) -> datetime | None:
        """The time of the measurement's oldest point, truncated to microseconds; None if it has no points."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class RowStream(Protocol):
    """The rows of one window, as non-empty record batches with the columns of `schema`, in order.

    Types: tags and strings `string` (or a dictionary of it), `int64`, `uint64`, `double`, `bool`, and `timestamp[ns]`
    without a zone for UTC.
    """

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...
