"""The query protocol, and its single-use result stream."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.single_use_rows import SingleUseRows


class Queries(Protocol):
    """Sends SQL to a server; threads may share it. It connects on first use."""

    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> AbstractContextManager[SingleUseRows]:
        """A context that runs a query; leaving it cancels a running one.

        Args:
            sql: The query.
            failures: Makes the errors.
            columns: The columns of the query.

        Raises:
            SourceError: The query failed, here or during iteration.
        """
        ...

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small result.

        Raises:
            SourceError: The query failed.
        """
        ...

    def ping(self) -> dict[str, Any] | None:
        """The server's self-description; None where it has none."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
