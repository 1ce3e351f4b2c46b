"""Tells of the loads in a context, where a lake says to whom."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from influx_lake.config.observation.openlineage import OpenLineageOptions

if TYPE_CHECKING:
    from influx_lake.lineage.events import LoadLineage

NAMESPACE = "influx_lake"
RUNNING_SECONDS = 60.0
"""How long after its beginning a load is told of again, and how often."""
_CONSOLE = logging.getLogger("openlineage.client.transport.console")


@contextmanager
def emitting(options: OpenLineageOptions | None, root: Path, lake: str | None, parent: str) -> Iterator[None]:
    """Tell of the loads in the context by OpenLineage's events.

    Args:
        options: Where they go; None: nowhere.
        root: The lake's folder.
        lake: The lake's name.
        parent: The job that the loads are part of.

    Raises:
        MissingExtra: OpenLineage's client is not installed.
    """
    if options is None:
        yield
        return
    from influx_lake.errors import MissingExtra

    try:
        from openlineage.client import OpenLineageClient

        from influx_lake.lineage.delivery import Delivery
        from influx_lake.lineage.events import LoadLineage
        from influx_lake.replication.observing import observed_by
    except ModuleNotFoundError as error:
        raise MissingExtra("Lineage by OpenLineage", "openlineage") from error

    def connect() -> OpenLineageClient:
        return OpenLineageClient(config=options.client_config(root))

    if options.prints:
        _print_events()
    delivery = Delivery(connect, f"the transport {options.kind} of `openlineage`")
    lineage = LoadLineage(options.namespace or lake or NAMESPACE, parent, delivery)
    try:
        with observed_by(lineage), _telling_of_long_loads(lineage):
            yield
    finally:
        delivery.close()


@contextmanager
def _telling_of_long_loads(lineage: LoadLineage) -> Iterator[None]:
    """Tell of loads that are under way for long, again and again: who hears nothing of a load takes it for dead."""
    ended = Event()

    def tell() -> None:
        while not ended.wait(RUNNING_SECONDS):
            lineage.tell_running(datetime.now(UTC) - timedelta(seconds=RUNNING_SECONDS))

    thread = Thread(target=copy_context().run, args=(tell,), name="lineage of long loads", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Stderr(logging.Handler):
    """Writes to what stderr is by then: one that was kept may be closed when the next lake of a process is loaded."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def _print_events() -> None:
    """Have what OpenLineage's transport `console` logs, at INFO, arrive: where nothing takes it, on stderr."""
    if _CONSOLE.level == logging.NOTSET:
        _CONSOLE.setLevel(logging.INFO)
    if not _CONSOLE.hasHandlers():
        _CONSOLE.addHandler(_Stderr())
