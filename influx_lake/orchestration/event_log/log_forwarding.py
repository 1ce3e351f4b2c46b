"""Forwards the project's warnings to the event log of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

LOGGER = "influx_lake"
"""The parent of the project's loggers."""


@contextmanager
def warnings_in(log: logging.Logger, instance: dg.DagsterInstance) -> Iterator[None]:
    """A context in which the project's warnings go to a step's log too, from any thread.

    Dagster captures only the loggers in the instance's `managed_python_loggers` (dagster.yaml), and most instances name
    none. Loggers named there are left to Dagster, so that no warning is logged twice.

    Args:
        log: The step's log: `context.log`.
        instance: The Dagster instance of its run.
    """
    handler, logger = _Forwarding(log, instance.managed_python_loggers), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Forwarding(logging.Handler):
    def __init__(self, log: logging.Logger, managed: Sequence[str]) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._managed = tuple(managed)

    def emit(self, record: logging.LogRecord) -> None:
        if not any(_is_below(record.name, name) for name in self._managed):
            self._log.log(record.levelno, record.getMessage())


def _is_below(name: str, other: str) -> bool:
    return other in ("root", name) or name.startswith(f"{other}.")
