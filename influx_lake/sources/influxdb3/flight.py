"""Runs queries over Arrow Flight, with influxdb3-python."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from influx_lake.config import InfluxDB3Config
from influx_lake.errors import LakeError, SourceError
from influx_lake.sources.influxdb3.client import make_client
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.influxdb3.http_queries import HttpQueries
from influx_lake.sources.prefetch import Prefetch, Stalled
from influx_lake.sources.single_use_rows import SingleUseRows

if TYPE_CHECKING:
    from pyarrow.flight import FlightStreamReader

# gRPC already reads ahead; measurements showed no gain from more.
_BATCHES_AHEAD = 2
# gRPC's deadline is for a whole stream, including the time to write the rows.
_NO_DEADLINE = -1.0


class FlightConnection:
    """A client, created on first use; threads may share it."""

    def __init__(self, config: InfluxDB3Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._client: Any = None

    @contextmanager
    def stream(self, sql: str, failures: Failures, columns: pa.Schema) -> Iterator[SingleUseRows]:  # noqa: ARG002
        """A context that runs a query; leaving it cancels a running one. Flight sends the schema itself.

        Raises:
            SourceError: The query failed, here or during iteration; `failures` makes the error.
        """
        client = self._connected()
        # Mode `reader` would turn the errors of a running stream into bare OSErrors, and cannot be cancelled.
        call = _Call(
            lambda: client.query(sql, language="sql", mode="chunk", timeout=_NO_DEADLINE), failures.check_batch
        )
        with Prefetch(
            call.items(),
            cancel=call.cancel,
            depth=_BATCHES_AHEAD,
            patience=self._config.timeout.total_seconds(),
            name="influxdb3-stream",
        ) as items:
            # The schema comes before the first row: a response without it is a failure.
            schema = cast("pa.Schema", next(_translated(items, failures.before_rows, failures)))
            yield SingleUseRows(schema, _translated(items, failures.amid_rows, failures))

    def table(self, sql: str, failures: Failures, columns: pa.Schema) -> pa.Table:
        """Run a query with a small result.

        Raises:
            SourceError: The query failed.
        """
        with self.stream(sql, failures, columns) as answer:
            return pa.Table.from_batches(answer, answer.schema)

    def ping(self) -> dict[str, Any] | None:
        """The response of `/ping`; None where it is not reachable, since only Flight is required."""
        shortest = min(self._config.connect_timeout, self._config.timeout)
        queries = HttpQueries(self._config.model_copy(update={"timeout": shortest}))
        try:
            return queries.ping()
        except SourceError:
            return None
        finally:
            queries.close()

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = make_client(self._config)
            return self._client


class _Call:
    """One request, which another thread may cancel at any time."""

    def __init__(self, start: Callable[[], FlightStreamReader], check: Callable[[pa.RecordBatch], None]) -> None:
        self._start = start
        self._check = check
        self._lock = threading.Lock()
        self._reader: FlightStreamReader | None = None
        self._cancelled = False

    def items(self) -> Generator[pa.Schema | pa.RecordBatch, None, None]:
        """Yield the result's schema, then its batches without empty ones, which keep the connection alive."""
        reader = self._start()
        with self._lock:
            self._reader = reader
            if self._cancelled:
                reader.cancel()
        yield reader.schema
        for chunk in reader:
            if chunk.data is not None and chunk.data.num_rows:
                # The client's limit is for a message as sent, and Arrow IPC buffers may be compressed. PyArrow (26.0.1)
                # decompresses them without a limit (IpcReadOptions), and has no bounded memory pool in Python: the
                # size of a batch is known only afterwards.
                self._check(chunk.data)
                yield chunk.data

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._reader is not None:
                self._reader.cancel()


def _translated(
    items: Iterator[pa.Schema | pa.RecordBatch],
    translate: Callable[[BaseException], LakeError],
    failures: Failures,
) -> Iterator[pa.Schema | pa.RecordBatch]:
    """The items, with converted errors, which are raised outside of `except` so that the original is not their
    context.
    """
    from influxdb_client_3.exceptions.exceptions import InfluxDB3ClientQueryError

    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except Stalled:
            failure: LakeError = failures.silence()
        except (InfluxDB3ClientQueryError, pa.ArrowException, OSError) as error:
            failure = translate(error)
        else:
            yield item
            continue
        raise failure
