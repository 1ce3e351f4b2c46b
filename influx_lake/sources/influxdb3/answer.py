"""The query protocol, and its single-use result stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from influx_lake.sources.influxdb3.failures import Failures


class Answer:
    """The batches of one query that hold rows. They can be iterated once."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches
        self._taken = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._taken:
            raise RuntimeError("the rows of an answer can be read once: a second time they would seem to be none")
        self._taken = True
        return self._batches


class Queries(Protocol):
    """A way to send SQL to a server; threads may share it. It connects when it is first used."""

    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> AbstractContextManager[Answer]:
        """Run a query. Leaving the context cancels it, if it still runs.

        Args:
            sql: The query.
            failures: Makes the errors.
            columns: The columns that are asked for.

        Raises:
            SourceError: The query failed, here or while the answer is iterated.
        """
        ...

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small answer.

        Raises:
            SourceError: The query failed.
        """
        ...

    def ping(self) -> dict[str, Any] | None:
        """What the server says of itself, where it does."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
