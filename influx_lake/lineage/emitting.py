"""Tells of the loads in a context, where a lake says to whom."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from influx_lake.config.observation.openlineage import OpenLineageOptions

NAMESPACE = "influx_lake"
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
    try:
        with observed_by(LoadLineage(options.namespace or lake or NAMESPACE, parent, delivery)):
            yield
    finally:
        delivery.close()


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
