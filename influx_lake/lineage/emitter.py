"""Emits lineage events for the loads in a context."""

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
"""The interval of RUNNING events of long loads, in seconds."""
_CONSOLE = logging.getLogger("openlineage.client.transport.console")


@contextmanager
def emitting(options: OpenLineageOptions | None, root: Path, lake: str | None, parent: str) -> Iterator[None]:
    """A context whose loads emit OpenLineage events.

    Args:
        options: `openlineage` of lake.yaml; None: no events.
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
        with observed_by(lineage), _reporting_long_loads(lineage):
            yield
    finally:
        delivery.close()


@contextmanager
def _reporting_long_loads(lineage: LoadLineage) -> Iterator[None]:
    """Emit RUNNING events of long loads, since receivers take a silent load for dead."""
    ended = Event()

    def tell() -> None:
        while not ended.wait(RUNNING_SECONDS):
            lineage.report_running(datetime.now(UTC) - timedelta(seconds=RUNNING_SECONDS))

    thread = Thread(target=copy_context().run, args=(tell,), name="lineage of long loads", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Stderr(logging.Handler):
    """Writes to the present `sys.stderr`: an earlier one may be closed when the process loads its next lake."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def _print_events() -> None:
    """Have the INFO log of OpenLineage's transport `console` written to stderr, unless a handler takes it."""
    if _CONSOLE.level == logging.NOTSET:
        _CONSOLE.setLevel(logging.INFO)
    if not _CONSOLE.hasHandlers():
        _CONSOLE.addHandler(_Stderr())
