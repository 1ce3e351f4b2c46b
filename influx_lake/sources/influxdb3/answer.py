"""The query protocol, and its single-use result stream."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.single_use_rows import SingleUseRows


class Queries(Protocol):
    """A way to send SQL to a server; threads may share it. It connects when it is first used."""

    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> AbstractContextManager[SingleUseRows]:
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
