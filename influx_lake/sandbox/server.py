"""The sandbox server: combines storage, queries and network interfaces."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from enum import Enum, auto
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import pyarrow as pa

from influx_lake.errors import ConfigurationError
from influx_lake.sandbox.api.admin_api import admin_routes
from influx_lake.sandbox.api.auth import new_token
from influx_lake.sandbox.api.flight import FlightServer, bracketed
from influx_lake.sandbox.api.http import HttpApi
from influx_lake.sandbox.api.query_api import query_routes
from influx_lake.sandbox.api.router import Router
from influx_lake.sandbox.api.write_api import write_routes
from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage.bulk import Source, stored_batches
from influx_lake.sandbox.storage.persistence import Folder
from influx_lake.sandbox.storage.precision import Precision
from influx_lake.sandbox.storage.store import Store

_SIGNAL_SECONDS = 0.5


class Token(Enum):
    """Placeholder for a token to be generated."""

    NEW = auto()


class Sandbox:
    """An embedded server with InfluxDB 3's protocols, for development, not as a database.

    Use it as a context manager, or call `start` and `stop`; `serve` runs it in the foreground.

    Args:
        data_dir: The folder that keeps the data over restarts; None keeps it in memory.
        host: Where to listen. Loopback by default; anything else exposes a server that is not made for that.
        port: The port for gRPC and HTTP; 0 for any free one.
        token: The token that clients must present; None requires none; by default one is generated.
        faults: The faults to inject, changeable while it runs.
        keep_alive: Seconds after which a stream without ready rows sends an empty batch, as InfluxDB 3 does.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | Token | None = Token.NEW,
        faults: Faults | None = None,
        keep_alive: float = 5.0,
    ) -> None:
        self.host = host
        self.token = new_token() if isinstance(token, Token) else token
        self.faults = faults if faults is not None else Faults()
        self._data_dir = Path(data_dir) if data_dir is not None else None
        self._port = port
        self._keep_alive = keep_alive
        self._store: Store | None = None
        self._opened = ExitStack()
        self._stopping = threading.Event()

    def start(self) -> Self:
        """Open the data and both ports.

        Raises:
            LakeError: if the folder or the port is in use.
        """
        self._stopping.clear()
        with ExitStack() as opened:
            folder = Folder(self._data_dir) if self._data_dir is not None else None
            store = Store(folder, self.faults)
            opened.callback(store.close)
            self._flight = FlightServer(self.host, store, self.token, self.faults, self._keep_alive)
            opened.callback(self._flight.shutdown)
            routes = {**admin_routes(store, self.faults), **write_routes(store), **query_routes(store, self.faults)}
            http = HttpApi(routes, self.token, self.faults)
            self._router = self._listen(http)
            opened.callback(self._router.stop)
            self._flight.cut_connections = self._router.cut_relays
            self._router.start()
            self._store = store
            self._opened = opened.pop_all()
        return self

    def _listen(self, http: HttpApi) -> Router:
        try:
            return Router(self.host, self._port, (self.host, self._flight.port), http.serve_connection)
        except OSError as problem:
            raise ConfigurationError(
                f"the sandbox cannot listen on {self.host}:{self._port}: {problem.strerror}",
                remedy="Stop the process that uses the port, or choose another port",
            ) from problem

    def stop(self) -> None:
        """Close both ports, persist everything, and release the folder. It may be called again."""
        self._stopping.set()
        self._store = None
        self._opened.close()

    def serve(self, ready: Callable[[Sandbox], None] = lambda box: None) -> None:
        """Run in the foreground until SIGINT, SIGTERM or `stop` from another thread.

        Args:
            ready: Called once the ports are open.
        """

        def end(_number: int, _frame: FrameType | None) -> None:
            self._stopping.set()

        former = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if self._store is None:
                self.start()
            ready(self)
            # Without a timeout, a signal just before the thread blocks would only be handled afterwards.
            while not self._stopping.wait(_SIGNAL_SECONDS):
                pass
        finally:
            self.stop()
            for number, handler in former.items():
                signal.signal(number, handler)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Sandbox({self.url if self._store is not None else 'stopped'})"

    @property
    def port(self) -> int:
        """The port for gRPC Flight and HTTP."""
        return self._router.port

    @property
    def flight_port(self) -> int:
        """The port on which Flight is served directly, which is faster than relayed."""
        return int(self._flight.port)

    @property
    def url(self) -> str:
        return f"http://{bracketed(self.host)}:{self.port}"

    @property
    def store(self) -> Store:
        """The data; only available while the sandbox runs."""
        if self._store is None:
            raise RuntimeError("the sandbox is not running")
        return self._store

    def write(self, database: str, line_protocol: str, precision: str = "ns") -> None:
        """Store line protocol in this process, with the parser and the checks of the HTTP interface.

        Raises:
            StoreError: if a line is not valid; the others are stored.
        """
        self.store.write(database, line_protocol, Precision.parse(precision))

    def load(self, database: str, measurement: str, data: Source, tags: Iterable[str] = ()) -> int:
        """Store Arrow data or Parquet files in this process, faster than line protocol.

        Args:
            database: Created if it does not exist.
            measurement: Created if it does not exist.
            data: A table, batches, a reader of batches, or paths of Parquet files, with a `time` column (timestamp, or
                int64 of nanoseconds) and columns of InfluxDB's types. It is read piece by piece.
            tags: The string columns that are tags.

        Returns:
            How many rows were read; rows of the same tags and time become one, as with any write.
        """
        rows = 0
        for batch in stored_batches(measurement, data, frozenset(tags)):
            self.store.append(database, measurement, batch)
            rows += batch.num_rows
        return rows

    def row_count(self, database: str, measurement: str) -> int:
        """How many points a measurement has."""
        return self.store.database(database).tables[measurement].rows

    def tables(self, database: str) -> dict[str, pa.Schema]:
        """The measurements of a database and their schemas."""
        return {name: table.schema for name, table in sorted(self.store.database(database).tables.items())}
