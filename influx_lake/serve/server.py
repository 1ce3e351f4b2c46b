"""Runs the application with uvicorn: TLS, timeouts for slow clients, graceful shutdown."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from influx_lake.config.lake.serving import ServeOptions
from influx_lake.errors import ConfigurationError, StorageError
from influx_lake.private_folders import OWN_FOLDER, make_private
from influx_lake.serve.app import create_app
from influx_lake.serve.service import Service
from influx_lake.serve.work.worker_threads import WorkerThreads

log = logging.getLogger("influx_lake.serve")

STOP_SECONDS = 20.0
"""How long a shutdown waits for windows under way, in seconds; the next start loads the others again."""
_ANSWER_SECONDS = 5
_IDLE_SECONDS = 30
_LARGEST_HEAD = 65_536
_OTHER_FILES = 512
_LOCK = Path(OWN_FOLDER) / "serve.lock"


class PatientH11(H11Protocol):
    """HTTP connections with a timeout for the first and each further request: uvicorn itself waits for the first one,
    and for the rest of a head that has begun, for ever.
    """

    patience = 30.0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self._expect_request()

    def on_response_complete(self) -> None:
        """Start the timeout of the next request, and of the rest of this one's body."""
        super().on_response_complete()
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self._waiting = self.loop.call_later(self.patience, self._close_if_silent)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def _close_if_silent(self) -> None:
        if not self._is_answering() and not self.transport.is_closing():
            self.transport.close()

    def _is_answering(self) -> bool:
        # Declared as what it is from the first request on.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete


class _Server(uvicorn.Server):
    """A uvicorn server for which shutdown by a signal is a success."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        handled = (signal.SIGINT, signal.SIGTERM)
        former = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def serve(service: Service, ready: Callable[[str], None]) -> None:
    """Serve a lake until SIGINT or SIGTERM.

    Args:
        service: The state that the routes share.
        ready: Called with the address once connections are accepted.

    Raises:
        ConfigurationError: The port or the certificate cannot be used, or another service serves the lake.
    """
    options = service.options
    context = _tls(options)
    _allow_connections(options.limits.connections)
    with _lake_lock(service.lake.root), _listening(options) as listening:
        workers = service.workers = WorkerThreads(service)
        patience = options.limits.patience.total_seconds()
        protocol = type("Protocol", (PatientH11,), {"patience": patience})
        config = uvicorn.Config(
            create_app(service),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=options.limits.connections,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_ANSWER_SECONDS,
            h11_max_incomplete_event_size=_LARGEST_HEAD,
        )
        config.load()
        config.ssl = context
        server = _Server(config)
        workers.start()
        try:
            asyncio.run(
                _until_stopped(server, listening, workers, patience, lambda: ready(address_of(options, listening)))
            )
        finally:
            if not workers.stop(STOP_SECONDS):
                log.warning("windows are under way still: they are loaded again when the service starts")


async def _until_stopped(
    server: _Server, listening: socket.socket, workers: WorkerThreads, patience: float, ready: Callable[[], None]
) -> None:
    async def tell() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        ready()

    async def watch() -> None:
        # Waiting clients get the present state before connections are closed.
        while not server.should_exit:
            await asyncio.sleep(0.1)
        workers.begin_stop()

    if server.config.ssl is not None:
        # uvicorn has no option for it, and asyncio waits for a minute.
        loop = asyncio.get_running_loop()
        loop.create_server = partial(loop.create_server, ssl_handshake_timeout=patience)  # type: ignore[method-assign]
    tasks = [asyncio.create_task(tell()), asyncio.create_task(watch())]
    await server.serve([listening])
    for task in tasks:
        task.cancel()


def address_of(options: ServeOptions, listening: socket.socket) -> str:
    """The URL under which the service is reached."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"{'https' if options.tls else 'http'}://{host}:{listening.getsockname()[1]}"


@contextmanager
def _listening(options: ServeOptions) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((options.host, options.port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"the service cannot listen on {options.host}:{options.port}: {error.strerror or error}",
            remedy="Give another `serve.port` or --port (0 takes a free one), or stop what uses this one",
        ) from None
    with listening:
        yield listening


@contextmanager
def _lake_lock(root: Path) -> Iterator[None]:
    """Lock the lake's folder, so that no other service serves it: both would load the same windows."""
    path = root / _LOCK
    try:
        make_private(path.parent)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"another `influx-lake serve` serves the lake in {root} already",
                remedy="Stop it, or give this one a lake.yaml in a folder of its own",
            ) from None
        yield
    finally:
        os.close(file)


def _allow_connections(number: int) -> None:
    """Raise this process's limit of open files to the number of connections, as far as the system allows."""
    wanted = number + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("%d connections (serve.limits.connections) are more than the system's %d open files", number, hard)


def _tls(options: ServeOptions) -> ssl.SSLContext | None:
    if options.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls.certificate, options.tls.key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"serve.tls: the certificate {options.tls.certificate} and the key {options.tls.key} cannot be used: "
            f"{getattr(error, 'strerror', None) or error}",
            remedy="Both are PEM files; the key belongs to the certificate and has no password",
        ) from None
    return context
